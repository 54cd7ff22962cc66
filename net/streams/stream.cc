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
#include "net/tls/tls_session.h"

namespace quorate::net {
namespace {

// Limit of pieces in one gathered send.
constexpr size_t kSendPiecesMax = 128;
// About so many bytes are encrypted before they are sent. The bytes that the
// kernel does not take wait in encrypted form.
constexpr size_t kSealBytes = 64 << 10;
constexpr size_t kSealedBytesMax = 2 * kSealBytes;
// The first byte of a stream with TLS (RFC 8446 5.1: a handshake record).
constexpr char kTlsFirstByte = 0x16;
// Memory for unsent pieces that a stream keeps when it has sent everything.
constexpr size_t kIdleBytes = 64 * sizeof(Buffer);

// Shared by its ConnectionEnd and by the code that is calling it. closed_ is
// final: nothing is read, written or called afterwards.
class Stream final : public StreamPoller::Watcher,
                     public std::enable_shared_from_this<Stream> {
 public:
  Stream(StreamPoller& poller, OwnedFd socket, std::string peer_address,
         bool dialed, StreamSecurity security)
      : peer_address_(std::move(peer_address)),
        poller_(poller),
        socket_(std::move(socket)),
        dialed_(dialed),
        security_(std::move(security)),
        undecided_(security_.context != nullptr && !dialed) {
    if (security_.context != nullptr && dialed) BeginTls();
  }

  void SetObserver(env::Connection::Observer* observer) {
    CHECK(observer_ == nullptr);
    observer_ = observer;
    // A stream that cannot be watched is closed like one that failed.
    if (const int error = poller_.Add(socket_.get(), this); error != 0) {
      FailLater("watching ", error);
      return;
    }
    if (security_.context != nullptr && !security_.optional) LimitHandshake();
    if (tls_ != nullptr) GreetServer();
  }
  void Write(Buffer bytes);
  void End();
  void PauseReads() { paused_ = true; }
  void ResumeReads();
  // Called by the destructor of ConnectionEnd: sends a few bytes if the kernel
  // takes them at once, such as an error, then closes.
  void CloseNow();
  size_t unsent_bytes() const { return unsent_bytes_ + sealed_.size(); }
  uint64_t taken_bytes() const;
  const std::string& peer_address() const { return peer_address_; }
  env::StreamIdentity identity() const {
    return tls_ == nullptr ? env::StreamIdentity() : tls_->identity();
  }

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
  // Removes sent bytes from the front of the unsent ones.
  void DropUnsent(size_t bytes);
  void Fail(const char* doing, int error);
  void FailLater(const char* doing, int error);
  void CloseWith(const absl::Status& reason);
  void Close();

  // ---- TLS.
  void BeginTls();
  // Sends the first message of a handshake.
  void GreetServer();
  // The handshake fails unless it ends in time.
  void LimitHandshake();
  // Looks at the first byte without taking it. False: there is none, and
  // nothing must be read now.
  bool Decide();
  // Takes bytes of the socket.
  void OnSealedBytes(std::string_view sealed);
  void EndHandshake();
  // Send for a stream with TLS.
  int SendSealed(size_t bytes_max);
  // Moves unsent bytes, at most `bytes_max`, to `out` in encrypted form.
  // Returns 0, or EPROTO if that failed.
  int Seal(size_t bytes_max, std::string* out);
  // Sends `bytes` as far as the kernel takes them, the rest later. Returns 0,
  // EAGAIN or another errno.
  int SendNow(std::string_view bytes);
  void FailTls(const std::string& why);

  const std::string peer_address_;
  StreamPoller& poller_;
  OwnedFd socket_;
  const bool dialed_;
  const StreamSecurity security_;
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
  uint64_t sent_bytes_ = 0;  // The kernel has taken them.
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

  // ---- TLS.
  // Whether the stream has TLS is not known before its first byte.
  bool undecided_;
  bool handshaking_ = false;
  env::Pending handshake_limit_;
  std::unique_ptr<TlsSession> tls_;
  // Encrypted bytes that the kernel has not taken, before unsent_. At most
  // kSealedBytesMax.
  std::string sealed_;
  bool end_sealed_ = false;
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
  if (!WantsReads() || std::exchange(read_queued_, true)) return;
  if (handshaking_) {
    poller_.QueueHandshake(this);
  } else {
    poller_.QueueRead(this);
  }
}

size_t Stream::OnRead() {
  const std::shared_ptr<Stream> self = shared_from_this();
  read_queued_ = false;
  if (!WantsReads()) return 0;
  if (undecided_ && !Decide()) return 0;
  const ssize_t size = recv(socket_.get(), poller_.read_buffer(),
                            StreamPoller::kReadBytes, MSG_DONTWAIT);
  if (size > 0) {
    // A read that did not fill the buffer has emptied the socket. Later bytes
    // cause a new event.
    if (static_cast<size_t>(size) < StreamPoller::kReadBytes && !end_is_near_) {
      readable_ = false;
    }
    const std::string_view bytes(poller_.read_buffer(),
                                 static_cast<size_t>(size));
    if (tls_ != nullptr) {
      OnSealedBytes(bytes);
    } else {
      observer_->OnBytes(bytes);
    }
  } else if (size == 0 && tls_ != nullptr) {
    // A third party may have cut the stream.
    FailTls("closed without the end of TLS");
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
  const uint64_t before = sent_bytes_;
  const int error = Send(bytes_max);
  const size_t sent = sent_bytes_ - before;
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
  unsent_.push_back(std::move(bytes));
  Flush();
}

uint64_t Stream::taken_bytes() const {
  int unacknowledged = 0;
  if (!closed_) (void)ioctl(socket_.get(), SIOCOUTQ, &unacknowledged);
  return sent_bytes_ - static_cast<uint64_t>(unacknowledged);
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
  if (tls_ != nullptr) return SendSealed(bytes_max);
  if (undecided_) return unsent_bytes_ > 0 || end_requested_ ? EAGAIN : 0;
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
    sent_bytes_ += sent;
    bytes_max -= sent;
    DropUnsent(sent);
  }
  ClearAndTrim(&unsent_, kIdleBytes);
  if (end_requested_ && !std::exchange(end_sent_, true)) {
    (void)shutdown(socket_.get(), SHUT_WR);
  }
  return 0;
}

void Stream::DropUnsent(size_t bytes) {
  unsent_bytes_ -= bytes;
  while (bytes > 0) {
    Buffer& piece = unsent_[unsent_begin_];
    if (bytes < piece.size()) {
      piece = piece.Suffix(bytes);
      break;
    }
    bytes -= piece.size();
    piece = Buffer();
    ++unsent_begin_;
  }
  // A stream that always has something unsent must not keep what it sent.
  if (unsent_begin_ > unsent_.size() / 2) {
    unsent_.erase(unsent_.begin(), unsent_.begin() + unsent_begin_);
    unsent_begin_ = 0;
  }
}

size_t Stream::OnFlush(size_t bytes_max) {
  flush_queued_ = false;
  if (closed_) return 0;
  const uint64_t before = sent_bytes_;
  const int error = Send(bytes_max);
  const size_t sent = sent_bytes_ - before;
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
  const std::string message =
      doing + peer_address_ + ": " + std::generic_category().message(error);
  CloseWith(error == ETIMEDOUT ? absl::DeadlineExceededError(message)
                               : absl::UnavailableError(message));
}

void Stream::CloseWith(const absl::Status& reason) {
  Close();
  if (std::exchange(handshaking_, false)) {
    security_.observer->OnHandshake(peer_address_, reason);
  }
  if (observer_ != nullptr) observer_->OnClosed(reason);
}

void Stream::CloseNow() {
  if (closed_) return;
  if (tls_ != nullptr) end_requested_ = true;
  (void)Send(StreamPoller::kFirstSendBytesMin);
  Close();
}

void Stream::Close() {
  closed_ = true;
  handshake_limit_ = env::Pending();
  poller_.Remove(socket_.get(), this);
  socket_ = OwnedFd();
  unsent_.clear();
  unsent_begin_ = 0;
  unsent_bytes_ = 0;
  sealed_.clear();
}

void Stream::BeginTls() {
  tls_ = std::make_unique<TlsSession>(security_.context, security_.role);
  handshaking_ = true;
}

void Stream::GreetServer() {
  std::string& out = poller_.sealed_buffer();
  out.clear();
  (void)tls_->Open("", poller_.plain_buffer(), &out);
  if (const int error = SendNow(out); error == EAGAIN) {
    blocked_ = true;
  } else if (error != 0) {
    FailLater("writing to ", error);
  }
}

void Stream::LimitHandshake() {
  EventLoop& loop = poller_.loop();
  handshake_limit_ =
      loop.At(loop.ReadClock().mono + security_.handshake_max, [this] {
        const std::shared_ptr<Stream> self = shared_from_this();
        FailTls("no complete handshake in time");
      });
}

bool Stream::Decide() {
  char first = 0;
  ssize_t size = 0;
  do {
    size = recv(socket_.get(), &first, 1, MSG_DONTWAIT | MSG_PEEK);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && errno == EAGAIN) {
    readable_ = false;
    return false;
  }
  undecided_ = false;
  if (size == 1 && first == kTlsFirstByte) {
    if (security_.optional) LimitHandshake();
    BeginTls();
    QueueRead();
    return false;
  }
  if (security_.optional) {
    if (blocked_) QueueSend();
    return true;
  }
  // A program that only looks whether the port is open needs no log line.
  handshaking_ = size == 1;
  FailTls(size == 1 ? "no TLS, which this address requires"
                    : "closed before its first byte");
  return false;
}

void Stream::OnSealedBytes(std::string_view sealed) {
  std::string& out = poller_.sealed_buffer();
  out.clear();
  const TlsSession::Opened opened =
      tls_->Open(sealed, poller_.plain_buffer(), &out);
  if (!out.empty()) {
    if (const int error = SendNow(out); error == EAGAIN) {
      blocked_ = true;
    } else if (error != 0) {
      return Fail("writing to ", error);
    }
  }
  if (handshaking_ && !tls_->handshaking()) EndHandshake();
  if (opened.plain_bytes > 0) {
    observer_->OnBytes({poller_.plain_buffer(), opened.plain_bytes});
  }
  if (closed_) return;
  if (!opened.status.ok()) {
    FailTls(std::string(opened.status.message()));
  } else if (opened.ended) {
    ended_ = true;
    observer_->OnEnd();
  }
}

void Stream::EndHandshake() {
  handshaking_ = false;
  handshake_limit_ = env::Pending();
  security_.observer->OnHandshake(peer_address_, absl::OkStatus());
  if (blocked_) QueueSend();
}

void Stream::FailTls(const std::string& why) {
  const absl::Status status =
      absl::UnavailableError("TLS with " + peer_address_ + ": " + why);
  CloseWith(status);
}

int Stream::SendNow(std::string_view bytes) {
  if (!sealed_.empty()) {
    // A peer that asks for ever more answers and takes none.
    if (sealed_.size() + bytes.size() > kSealedBytesMax) return ENOBUFS;
    sealed_.append(bytes);
    return EAGAIN;
  }
  while (!bytes.empty()) {
    const ssize_t sent = send(socket_.get(), bytes.data(), bytes.size(),
                              MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      const int error = errno;
      if (error == EAGAIN) sealed_ = bytes;
      return error;
    }
    sent_bytes_ += static_cast<uint64_t>(sent);
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return 0;
}

int Stream::SendSealed(size_t bytes_max) {
  if (!sealed_.empty()) {
    const std::string left = std::exchange(sealed_, std::string());
    if (const int error = SendNow(left); error != 0) return error;
  }
  if (handshaking_) return unsent_bytes_ > 0 || end_requested_ ? EAGAIN : 0;
  while (unsent_begin_ < unsent_.size()) {
    if (bytes_max == 0) {
      QueueSend();
      return EAGAIN;
    }
    const size_t unsent = unsent_bytes_;
    std::string& out = poller_.sealed_buffer();
    out.clear();
    if (const int error = Seal(std::min(bytes_max, kSealBytes), &out);
        error != 0) {
      return error;
    }
    bytes_max -= unsent - unsent_bytes_;
    if (const int error = SendNow(out); error != 0) return error;
  }
  ClearAndTrim(&unsent_, kIdleBytes);
  if (!end_requested_ || end_sent_) return 0;
  if (!std::exchange(end_sealed_, true)) {
    std::string& out = poller_.sealed_buffer();
    out.clear();
    tls_->End(&out);
    if (const int error = SendNow(out); error != 0) return error;
  }
  end_sent_ = true;
  (void)shutdown(socket_.get(), SHUT_WR);
  return 0;
}

int Stream::Seal(size_t bytes_max, std::string* out) {
  while (bytes_max > 0 && unsent_begin_ < unsent_.size()) {
    // Short pieces share a record.
    std::string& record = poller_.record_buffer();
    record.clear();
    std::string_view plain = unsent_[unsent_begin_].view();
    const bool alone = unsent_begin_ + 1 == unsent_.size() ||
                       plain.size() >= TlsSession::kRecordBytes;
    const size_t limit =
        std::min(bytes_max, alone ? plain.size() : TlsSession::kRecordBytes);
    if (alone) {
      plain = plain.substr(0, limit);
    } else {
      for (size_t i = unsent_begin_;
           i < unsent_.size() && record.size() < limit; ++i) {
        record.append(unsent_[i].view().substr(0, limit - record.size()));
      }
      plain = record;
    }
    if (!tls_->Seal(plain, out).ok()) return EPROTO;
    bytes_max -= plain.size();
    DropUnsent(plain.size());
  }
  return 0;
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
  env::StreamIdentity identity() const override { return stream_->identity(); }

 private:
  const std::shared_ptr<Stream> stream_;
};

}  // namespace

std::unique_ptr<env::Connection> MakeConnection(StreamPoller& poller,
                                                OwnedFd socket,
                                                std::string peer_address,
                                                bool dialed,
                                                StreamSecurity security) {
  return std::make_unique<ConnectionEnd>(std::make_shared<Stream>(
      poller, std::move(socket), std::move(peer_address), dialed,
      std::move(security)));
}

}  // namespace quorate::net
