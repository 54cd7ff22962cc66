#include "net/streams/stream_poller.h"

#include <errno.h>
#include <sys/epoll.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "env/check.h"

namespace quorate::net {

namespace asio = boost::asio;

namespace {

constexpr int kEventsMax = 256;

void Forget(std::vector<StreamPoller::Watcher*>& watchers,
            StreamPoller::Watcher* watcher) {
  std::replace(watchers.begin(), watchers.end(), watcher,
               static_cast<StreamPoller::Watcher*>(nullptr));
}

}  // namespace

struct StreamPoller::Epoll {
  explicit Epoll(asio::io_context& context)
      : descriptor(context, epoll_create1(EPOLL_CLOEXEC)) {
    CHECK_GE(descriptor.native_handle(), 0);
  }
  asio::posix::stream_descriptor descriptor;
  epoll_event events[kEventsMax];
  // Those of `events` from `next` on have not been told yet.
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

void StreamPoller::Add(int fd, Watcher* watcher) {
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = watcher;
  CHECK_EQ(
      epoll_ctl(epoll_->descriptor.native_handle(), EPOLL_CTL_ADD, fd, &event),
      0);
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
  Forget(again_, watcher);
  Forget(running_again_, watcher);
  Forget(flush_, watcher);
}

void StreamPoller::Wait() {
  epoll_->descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                [this](const boost::system::error_code& error) {
                                  // An error: this object is gone.
                                  if (!error) Dispatch();
                                });
}

void StreamPoller::Dispatch() {
  do {
    epoll_->next = 0;
    epoll_->count = epoll_wait(epoll_->descriptor.native_handle(),
                               epoll_->events, kEventsMax, 0);
    while (epoll_->next < epoll_->count) {
      const epoll_event& event = epoll_->events[epoll_->next++];
      if (event.data.ptr == nullptr) continue;
      static_cast<Watcher*>(event.data.ptr)->OnReady(event.events);
    }
  } while (epoll_->count == kEventsMax);
  epoll_->count = 0;
  Wait();
}

void StreamPoller::Again(Watcher* watcher) {
  if (again_.empty()) {
    again_timer_ = loop_.At(loop_.ReadClock().mono, [this] { RunAgain(); });
  }
  again_.push_back(watcher);
}

void StreamPoller::RunAgain() {
  running_again_.swap(again_);
  for (size_t i = 0; i < running_again_.size(); ++i) {
    if (running_again_[i] != nullptr) running_again_[i]->OnReady(EPOLLIN);
  }
  running_again_.clear();
}

void StreamPoller::Flush(Watcher* watcher) {
  if (flush_.empty()) loop_.AtTurnEnd(this);
  flush_.push_back(watcher);
}

void StreamPoller::OnTurnEnd() {
  for (Watcher* watcher : flush_) {
    if (watcher != nullptr) watcher->OnFlush();
  }
  flush_.clear();
}

}  // namespace quorate::net
