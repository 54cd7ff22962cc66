#include "net/streams/stream.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "env/check.h"
#include "env/kept_memory.h"

namespace quorate::net {
namespace {

// Limit of pieces in one gathered send.
constexpr size_t kSendPiecesMax = 128;
// Memory for unsent pieces that a stream keeps when it has sent everything.
constexpr size_t kIdleBytes = 64 * sizeof(Buffer);

// Shared by its ConnectionEnd and by the code that is calling it. closed_ is
// final: nothing is read, written or called afterwards.
class Stream final : public StreamPoller::Watcher,
                     public std::enable_shared_from_this<Stream> {
 public:
  Stream(StreamPoller& poller, OwnedFd socket, std::string peer_address,
         bool dialed)
      : peer_address_(std::move(peer_address)),
        poller_(poller),
        socket_(std::move(socket)),
        dialed_(dialed) {}

  void SetObserver(env::Connection::Observer* observer) {
    CHECK(observer_ == nullptr);
    observer_ = observer;
    // A stream that cannot be watched is closed like one that failed.
    if (const int error = poller_.Add(socket_.get(), this); error != 0) {
      FailLater("watching ", error);
    }
  }
  void Write(Buffer bytes);
  void End();
  void PauseReads() { paused_ = true; }
  void ResumeReads();
  // Called by the destructor of ConnectionEnd: sends a few bytes if the kernel
  // takes them at once, such as an error, then closes.
  void CloseNow();
  size_t unsent_bytes() const { return unsent_bytes_; }
  uint64_t taken_bytes() const;
  const std::string& peer_address() const { return peer_address_; }

 private:
  void OnReady(uint32_t events) override;
  size_t OnRead() override;
  size_t OnSend(size_t bytes_max) override;
  size_t OnFlush(size_t bytes_max) override;
  void QueueRead();
  void QueueSend();
  bool WantsReads() const {
    return readable_ && !paused_ && !ended_ && !closed_;
  }
  void Flush();
  // Sends what the kernel takes, at most `bytes_max` bytes. Returns 0, EAGAIN
  // if there is more to send, or another errno. The stream goes on by itself
  // after EAGAIN.
  int Send(size_t bytes_max);
  void Fail(const char* doing, int error);
  void FailLater(const char* doing, int error);
  void Close();

  const std::string peer_address_;
  StreamPoller& poller_;
  OwnedFd socket_;
  const bool dialed_;
  env::Connection::Observer* observer_ = nullptr;
  bool closed_ = false;

  // ---- Reading.
  // There may be unread bytes. The poller is edge-triggered and reports only
  // new ones.
  bool readable_ = false;
  // An end of stream or an error follows the readable bytes: read until it.
  bool end_is_near_ = false;
  bool paused_ = false;
  // The peer has half-closed.
  bool ended_ = false;
  bool read_queued_ = false;

  // ---- Writing.
  std::vector<Buffer> unsent_;
  size_t unsent_begin_ = 0;
  size_t unsent_bytes_ = 0;
  uint64_t written_bytes_ = 0;
  bool flush_queued_ = false;
  // The send buffer is full, and the poller reports when there is room. Or the
  // stream is in the poller's queue of those that send on.
  bool blocked_ = false;
  bool send_queued_ = false;
  bool end_requested_ = false;
  bool end_sent_ = false;
  // OnDrained was called after the end was sent, or will be at the end of this
  // turn.
  bool end_reported_ = false;
};

void Stream::OnReady(uint32_t events) {
  const std::shared_ptr<Stream> self = shared_from_this();
  if (blocked_ && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) QueueSend();
  // While reads are paused, no other event would show that the peer has reset
  // the stream.
  if (paused_ && (events & EPOLLERR) != 0) {
    int error = 0;
    socklen_t size = sizeof(error);
    (void)getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    Fail("reading from ", error == 0 ? ECONNRESET : error);
    return;
  }
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) end_is_near_ = true;
  if ((events & ~uint32_t{EPOLLOUT}) == 0) return;
  readable_ = true;
  QueueRead();
}

void Stream::QueueRead() {
  if (WantsReads() && !std::exchange(read_queued_, true)) {
    poller_.QueueRead(this);
  }
}

size_t Stream::OnRead() {
  const std::shared_ptr<Stream> self = shared_from_this();
  read_queued_ = false;
  if (!WantsReads()) return 0;
  const ssize_t size = recv(socket_.get(), poller_.read_buffer(),
                            StreamPoller::kReadBytes, MSG_DONTWAIT);
  if (size > 0) {
    // A read that did not fill the buffer has emptied the socket. Later bytes
    // cause a new event.
    if (static_cast<size_t>(size) < StreamPoller::kReadBytes && !end_is_near_) {
      readable_ = false;
    }
    observer_->OnBytes({poller_.read_buffer(), static_cast<size_t>(size)});
  } else if (size == 0) {
    ended_ = true;
    observer_->OnEnd();
  } else if (errno == EAGAIN) {
    readable_ = false;
  } else if (errno != EINTR) {
    Fail("reading from ", errno);
  }
  QueueRead();
  return static_cast<size_t>(std::max<ssize_t>(size, 0));
}

void Stream::QueueSend() {
  if (!std::exchange(send_queued_, true)) {
    poller_.QueueSend(this, /*urgent=*/dialed_);
  }
}

size_t Stream::OnSend(size_t bytes_max) {
  const std::shared_ptr<Stream> self = shared_from_this();
  send_queued_ = false;
  const size_t unsent = unsent_bytes_;
  const int error = Send(bytes_max);
  const size_t sent = unsent - unsent_bytes_;
  if (error == 0) {
    blocked_ = false;
    end_reported_ = end_sent_;
    observer_->OnDrained();
  } else if (error != EAGAIN) {
    Fail("writing to ", error);
  }
  return sent;
}

void Stream::ResumeReads() {
  paused_ = false;
  QueueRead();
}

void Stream::Write(Buffer bytes) {
  CHECK(!end_requested_) << "Write after End";
  if (closed_ || bytes.empty()) return;
  unsent_bytes_ += bytes.size();
  written_bytes_ += bytes.size();
  unsent_.push_back(std::move(bytes));
  Flush();
}

uint64_t Stream::taken_bytes() const {
  int unacknowledged = 0;
  if (!closed_) (void)ioctl(socket_.get(), SIOCOUTQ, &unacknowledged);
  return written_bytes_ - unsent_bytes_ - static_cast<uint64_t>(unacknowledged);
}

void Stream::End() {
  if (closed_ || end_requested_) return;
  end_requested_ = true;
  Flush();
}

void Stream::Flush() {
  if (blocked_ || std::exchange(flush_queued_, true)) return;
  poller_.Flush(this, /*urgent=*/dialed_);
}

int Stream::Send(size_t bytes_max) {
  while (unsent_begin_ < unsent_.size()) {
    if (bytes_max == 0) {
      QueueSend();
      return EAGAIN;
    }
    iovec pieces[kSendPiecesMax];
    const size_t end = std::min(unsent_.size(), unsent_begin_ + kSendPiecesMax);
    size_t count = 0;
    size_t bytes = 0;
    while (unsent_begin_ + count < end && bytes < bytes_max) {
      const Buffer& piece = unsent_[unsent_begin_ + count];
      const size_t size = std::min(piece.size(), bytes_max - bytes);
      pieces[count++] = {const_cast<char*>(piece.data()), size};
      bytes += size;
    }
    msghdr message = {};
    message.msg_iov = pieces;
    message.msg_iovlen = count;
    constexpr int kFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
    // Most replies are one piece, which the plain call sends for less.
    const ssize_t sent = count == 1 ? send(socket_.get(), pieces[0].iov_base,
                                           pieces[0].iov_len, kFlags)
                                    : sendmsg(socket_.get(), &message, kFlags);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    unsent_bytes_ -= sent;
    bytes_max -= sent;
    size_t left = sent;
    while (left > 0) {
      Buffer& piece = unsent_[unsent_begin_];
      if (left < piece.size()) {
        piece = piece.Suffix(left);
        break;
      }
      left -= piece.size();
      piece = Buffer();
      ++unsent_begin_;
    }
    // A stream that always has something unsent must not keep what it sent.
    if (unsent_begin_ > unsent_.size() / 2) {
      unsent_.erase(unsent_.begin(), unsent_.begin() + unsent_begin_);
      unsent_begin_ = 0;
    }
  }
  ClearAndTrim(&unsent_, kIdleBytes);
  if (end_requested_ && !std::exchange(end_sent_, true)) {
    (void)shutdown(socket_.get(), SHUT_WR);
  }
  return 0;
}

size_t Stream::OnFlush(size_t bytes_max) {
  flush_queued_ = false;
  if (closed_) return 0;
  const size_t unsent = unsent_bytes_;
  const int error = Send(bytes_max);
  const size_t sent = unsent - unsent_bytes_;
  if (error == EAGAIN) {
    blocked_ = true;
  } else if (error != 0) {
    FailLater("writing to ", error);
  } else if (end_sent_ && !std::exchange(end_reported_, true)) {
    poller_.loop().Post([self = shared_from_this()] {
      if (!self->closed_) self->observer_->OnDrained();
    });
  }
  return sent;
}

// No callback runs at the end of a turn, or from a call of the observer.
void Stream::FailLater(const char* doing, int error) {
  poller_.loop().Post([self = shared_from_this(), doing, error] {
    if (!self->closed_) self->Fail(doing, error);
  });
}

void Stream::Fail(const char* doing, int error) {
  Close();
  if (observer_ == nullptr) return;
  const std::string message =
      doing + peer_address_ + ": " + std::generic_category().message(error);
  observer_->OnClosed(error == ETIMEDOUT ? absl::DeadlineExceededError(message)
                                         : absl::UnavailableError(message));
}

void Stream::CloseNow() {
  if (closed_) return;
  (void)Send(StreamPoller::kFirstSendBytesMin);
  Close();
}

void Stream::Close() {
  closed_ = true;
  poller_.Remove(socket_.get(), this);
  socket_ = OwnedFd();
  unsent_.clear();
  unsent_begin_ = 0;
  unsent_bytes_ = 0;
}

class ConnectionEnd final : public env::Connection {
 public:
  explicit ConnectionEnd(std::shared_ptr<Stream> stream)
      : stream_(std::move(stream)) {}
  ~ConnectionEnd() override { stream_->CloseNow(); }

  void SetObserver(Observer* observer) override {
    stream_->SetObserver(observer);
  }
  void Write(Buffer bytes) override { stream_->Write(std::move(bytes)); }
  size_t unsent_bytes() const override { return stream_->unsent_bytes(); }
  uint64_t taken_bytes() const override { return stream_->taken_bytes(); }
  void End() override { stream_->End(); }
  void PauseReads() override { stream_->PauseReads(); }
  void ResumeReads() override { stream_->ResumeReads(); }
  std::string peer_address() const override { return stream_->peer_address(); }

 private:
  const std::shared_ptr<Stream> stream_;
};

}  // namespace

std::unique_ptr<env::Connection> MakeConnection(StreamPoller& poller,
                                                OwnedFd socket,
                                                std::string peer_address,
                                                bool dialed) {
  return std::make_unique<ConnectionEnd>(std::make_shared<Stream>(
      poller, std::move(socket), std::move(peer_address), dialed));
}

}  // namespace quorate::net
