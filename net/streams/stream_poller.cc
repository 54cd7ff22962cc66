#include "net/streams/stream_poller.h"

#include <errno.h>
#include <sys/epoll.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <utility>

#include "env/check.h"
#include "net/tls/tls_session.h"

namespace quorate::net {

namespace asio = boost::asio;

namespace {

constexpr int kEventsMax = 256;
// How often a turn asks for so many events, at most.
constexpr int kTurnAsksMax = 4;

template <typename Watchers>
void Erase(Watchers& watchers, StreamPoller::Watcher* watcher) {
  std::replace(watchers.begin(), watchers.end(), watcher,
               static_cast<StreamPoller::Watcher*>(nullptr));
}

// Calls the watchers of `queue` while there is budget.
template <typename Call>
void Run(std::deque<StreamPoller::Watcher*>& queue, size_t& budget,
         const Call& call) {
  while (!queue.empty() && budget > 0) {
    StreamPoller::Watcher* const watcher = queue.front();
    queue.pop_front();
    if (watcher == nullptr) continue;
    budget -= std::min(
        budget, std::max(call(watcher), StreamPoller::kTransferBytesMin));
  }
}

}  // namespace

struct StreamPoller::Epoll {
  explicit Epoll(asio::io_context& context)
      : descriptor(context, epoll_create1(EPOLL_CLOEXEC)) {
    CHECK_GE(descriptor.native_handle(), 0);
  }
  asio::posix::stream_descriptor descriptor;
  epoll_event events[kEventsMax];
  // Index of the first event not yet reported.
  int next = 0;
  int count = 0;
};

StreamPoller::StreamPoller(EventLoop& loop)
    : loop_(loop),
      read_buffer_(std::make_unique_for_overwrite<char[]>(kReadBytes)),
      epoll_(std::make_unique<Epoll>(loop.context())) {
  Wait();
}

StreamPoller::~StreamPoller() { loop_.CancelTurnEnd(this); }

int StreamPoller::Add(int fd, Watcher* watcher) {
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = watcher;
  return epoll_ctl(epoll_->descriptor.native_handle(), EPOLL_CTL_ADD, fd,
                   &event) == 0
             ? 0
             : errno;
}

void StreamPoller::Remove(int fd, Watcher* watcher) {
  epoll_event ignored = {};
  (void)epoll_ctl(epoll_->descriptor.native_handle(), EPOLL_CTL_DEL, fd,
                  &ignored);
  for (int i = epoll_->next; i < epoll_->count; ++i) {
    if (epoll_->events[i].data.ptr == watcher) {
      epoll_->events[i].data.ptr = nullptr;
    }
  }
  Erase(reads_, watcher);
  Erase(handshakes_, watcher);
  Erase(urgent_sends_, watcher);
  Erase(sends_, watcher);
  Erase(urgent_flush_, watcher);
  Erase(flush_, watcher);
}

void StreamPoller::Wait() {
  epoll_->descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                [this](const boost::system::error_code& error) {
                                  // An error means that this object was
                                  // destroyed.
                                  if (error) return;
                                  loop_.EndInput();
                                  Dispatch();
                                });
}

int StreamPoller::TakeEvents() {
  --asks_left_;
  epoll_->next = 0;
  epoll_->count = epoll_wait(epoll_->descriptor.native_handle(), epoll_->events,
                             kEventsMax, 0);
  more_events_ = epoll_->count == kEventsMax;
  while (epoll_->next < epoll_->count) {
    const epoll_event& event = epoll_->events[epoll_->next++];
    if (event.data.ptr == nullptr) continue;
    static_cast<Watcher*>(event.data.ptr)->OnReady(event.events);
  }
  return epoll_->count;
}

void StreamPoller::Dispatch() {
  in_turn_ = true;
  RefreshBudgets();
  int events = 0;
  while (asks_left_ > 0) {
    events = TakeEvents();
    if (!more_events_) break;
  }
  Send();
  Read();
  // Reading takes time. Requests that arrive meanwhile join this turn. So a
  // busy node makes fewer entries and syncs of the same requests. A single
  // event does not show that the node is busy.
  while (events > 1 && asks_left_ > 0 && reads_.empty()) {
    events = TakeEvents();
    Read();
  }
  if (!more_events_) Wait();
  EndTransfers();
}

void StreamPoller::QueueRead(Watcher* watcher) {
  reads_.push_back(watcher);
  if (!in_turn_) Continue();
}

void StreamPoller::QueueHandshake(Watcher* watcher) {
  handshakes_.push_back(watcher);
  if (!in_turn_) Continue();
}

char* StreamPoller::plain_buffer() {
  if (plain_buffer_ == nullptr) {
    plain_buffer_ = std::make_unique_for_overwrite<char[]>(
        kReadBytes + TlsSession::kRecordBytes + TlsSession::kRecordOverhead);
  }
  return plain_buffer_.get();
}

void StreamPoller::QueueSend(Watcher* watcher, bool urgent) {
  (urgent ? urgent_sends_ : sends_).push_back(watcher);
  if (!in_turn_) Continue();
}

void StreamPoller::RefreshBudgets() {
  if (std::exchange(turn_, loop_.turn()) == loop_.turn()) return;
  read_budget_ = kTurnBytes;
  send_budget_ = kTurnSentBytes;
  asks_left_ = kTurnAsksMax;
  handshakes_left_ = kTurnHandshakes;
}

void StreamPoller::Send() {
  // Those that have more are behind the others again, for the next turn.
  for (size_t left = urgent_sends_.size(); left > 0; --left) {
    Watcher* const watcher = urgent_sends_.front();
    urgent_sends_.pop_front();
    if (watcher != nullptr) watcher->OnSend(kTurnSentBytes);
  }
  Run(sends_, send_budget_,
      [](Watcher* one) { return one->OnSend(kSendBytes); });
}

void StreamPoller::Read() {
  Run(reads_, read_budget_, [](Watcher* one) { return one->OnRead(); });
  while (!handshakes_.empty() && handshakes_left_ > 0) {
    Watcher* const watcher = handshakes_.front();
    handshakes_.pop_front();
    if (watcher == nullptr) continue;
    --handshakes_left_;
    watcher->OnRead();
  }
}

void StreamPoller::Transfer() {
  in_turn_ = true;
  RefreshBudgets();
  Send();
  Read();
  EndTransfers();
}

void StreamPoller::EndTransfers() {
  in_turn_ = false;
  if (!reads_.empty() || !handshakes_.empty() || !urgent_sends_.empty() ||
      !sends_.empty() || more_events_) {
    Continue();
  }
}

void StreamPoller::Continue() {
  if (std::exchange(continues_, true)) return;
  next_turn_ = loop_.At(loop_.ReadClock().mono, [this] {
    continues_ = false;
    if (more_events_) {
      Dispatch();
    } else {
      Transfer();
    }
  });
}

void StreamPoller::Flush(Watcher* watcher, bool urgent) {
  if (urgent_flush_.empty() && flush_.empty()) loop_.AtTurnEnd(this);
  (urgent ? urgent_flush_ : flush_).push_back(watcher);
}

void StreamPoller::OnTurnEnd() {
  RefreshBudgets();
  for (Watcher* watcher : urgent_flush_) {
    if (watcher != nullptr) watcher->OnFlush(kTurnSentBytes);
  }
  urgent_flush_.clear();
  for (Watcher* watcher : flush_) {
    if (watcher == nullptr) continue;
    const size_t bytes_max = send_budget_ > 0 ? kSendBytes : kFirstSendBytesMin;
    send_budget_ -= std::min(send_budget_, watcher->OnFlush(bytes_max));
  }
  flush_.clear();
}

}  // namespace quorate::net
