#include "net/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <cstddef>
#include <new>
#include <utility>

#include "absl/status/status.h"
#include "env/check.h"

namespace quorate::net {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// Pieces of one gathered send.
constexpr size_t kSendPiecesMax = 128;
// After so many small reads in a row a grown read buffer is given back.
constexpr int kSmallReadsMax = 256;

// Room for the one outstanding read operation of a stream, so that reading
// allocates nothing.
class HandlerMemory {
 public:
  void* Allocate(size_t size) {
    if (in_use_ || size > sizeof(bytes_)) return ::operator new(size);
    in_use_ = true;
    return bytes_;
  }
  void Free(void* memory) {
    if (memory == bytes_) {
      in_use_ = false;
    } else {
      ::operator delete(memory);
    }
  }

 private:
  alignas(std::max_align_t) std::byte bytes_[256];
  bool in_use_ = false;
};

// Holds what owns the memory, too: the operation is freed after its handler.
template <typename T>
struct HandlerAllocator {
  using value_type = T;
  explicit HandlerAllocator(std::shared_ptr<HandlerMemory> m)
      : memory(std::move(m)) {}
  template <typename U>
  HandlerAllocator(const HandlerAllocator<U>& other)  // NOLINT: converts.
      : memory(other.memory) {}
  T* allocate(size_t n) {
    return static_cast<T*>(memory->Allocate(sizeof(T) * n));
  }
  void deallocate(T* p, size_t) { memory->Free(p); }
  friend bool operator==(const HandlerAllocator&,
                         const HandlerAllocator&) = default;
  std::shared_ptr<HandlerMemory> memory;
};

}  // namespace

// Shared by its ConnectionEnd, the flush queue and the operations in flight.
// closed_ is final: nothing is read, written or called after it.
class Stream final : public std::enable_shared_from_this<Stream> {
 public:
  Stream(FlushQueue& queue, TcpSocket socket, std::string peer_address)
      : peer_address_(std::move(peer_address)),
        queue_(queue),
        socket_(std::move(socket)) {}

  void SetObserver(env::Connection::Observer* observer);
  void Write(Buffer bytes);
  void End();
  void PauseReads() { paused_ = true; }
  void ResumeReads();
  // The ConnectionEnd goes: sends what the kernel takes at once.
  void Abandon();
  // Sends what was queued, as far as the kernel takes it.
  void FlushAtTurnEnd();
  size_t unsent_bytes() const { return unsent_bytes_; }
  const std::string& peer_address() const { return peer_address_; }

 private:
  struct ReadHandler;

  void StartRead();
  void OnRead(const error_code& error, size_t size);
  void Deliver(const error_code& error, size_t size);
  void FitReadBuffer(size_t size);
  void QueueFlush();
  // Returns 0, EAGAIN or what went wrong.
  int Send();
  void WaitWritable();
  void OnWritable();
  void Fail(absl::Status reason);
  void FailLater(int error);
  void Close();

  const std::string peer_address_;
  FlushQueue& queue_;
  TcpSocket socket_;
  env::Connection::Observer* observer_ = nullptr;
  bool closed_ = false;

  // ---- Reading.
  std::unique_ptr<char[]> read_buffer_;
  size_t read_capacity_ = 0;
  int small_reads_ = 0;
  bool reading_ = false;
  bool paused_ = false;
  // The peer has half-closed.
  bool ended_ = false;
  // A read that finished while paused, to be delivered on resumption.
  bool holding_ = false;
  bool resuming_ = false;
  error_code held_error_;
  size_t held_size_ = 0;
  std::shared_ptr<HandlerMemory> read_memory_ =
      std::make_shared<HandlerMemory>();

  // ---- Writing.
  std::vector<Buffer> unsent_;
  size_t unsent_begin_ = 0;
  size_t unsent_bytes_ = 0;
  bool flush_queued_ = false;
  bool waiting_writable_ = false;
  bool end_requested_ = false;
  bool end_sent_ = false;
};

struct Stream::ReadHandler {
  using allocator_type = HandlerAllocator<ReadHandler>;
  allocator_type get_allocator() const noexcept {
    return allocator_type(stream->read_memory_);
  }
  void operator()(const error_code& error, size_t size) {
    stream->OnRead(error, size);
  }
  std::shared_ptr<Stream> stream;
};

void Stream::SetObserver(env::Connection::Observer* observer) {
  CHECK(observer_ == nullptr);
  observer_ = observer;
  read_capacity_ = kReadBytesMin;
  read_buffer_ = std::make_unique<char[]>(read_capacity_);
  StartRead();
}

void Stream::StartRead() {
  if (reading_ || holding_ || paused_ || ended_ || closed_) return;
  reading_ = true;
  socket_.async_read_some(asio::buffer(read_buffer_.get(), read_capacity_),
                          ReadHandler{shared_from_this()});
}

void Stream::OnRead(const error_code& error, size_t size) {
  reading_ = false;
  if (closed_) return;
  if (paused_) {
    holding_ = true;
    held_error_ = error;
    held_size_ = size;
    return;
  }
  Deliver(error, size);
}

void Stream::Deliver(const error_code& error, size_t size) {
  if (error == asio::error::eof) {
    ended_ = true;
    observer_->OnEnd();
    return;
  }
  if (error) {
    Fail(absl::UnavailableError("reading from " + peer_address_ + ": " +
                                error.message()));
    return;
  }
  observer_->OnBytes({read_buffer_.get(), size});
  if (closed_) return;
  FitReadBuffer(size);
  StartRead();
}

void Stream::FitReadBuffer(size_t size) {
  size_t wanted = read_capacity_;
  if (size == read_capacity_) {
    wanted = std::min(read_capacity_ * 4, kReadBytesMax);
    small_reads_ = 0;
  } else if (size < kReadBytesMin) {
    if (++small_reads_ >= kSmallReadsMax) wanted = kReadBytesMin;
  } else {
    small_reads_ = 0;
  }
  if (wanted == read_capacity_) return;
  small_reads_ = 0;
  read_capacity_ = wanted;
  read_buffer_ = std::make_unique_for_overwrite<char[]>(read_capacity_);
}

void Stream::ResumeReads() {
  if (!paused_) return;
  paused_ = false;
  if (!holding_) {
    StartRead();
    return;
  }
  if (resuming_) return;
  resuming_ = true;
  queue_.loop().Post([self = shared_from_this()] {
    self->resuming_ = false;
    if (self->closed_ || self->paused_ || !self->holding_) return;
    self->holding_ = false;
    self->Deliver(self->held_error_, self->held_size_);
  });
}

void Stream::Write(Buffer bytes) {
  CHECK(!end_requested_) << "Write after End";
  if (closed_ || bytes.empty()) return;
  unsent_bytes_ += bytes.size();
  unsent_.push_back(std::move(bytes));
  QueueFlush();
}

void Stream::End() {
  if (closed_ || end_requested_) return;
  end_requested_ = true;
  QueueFlush();
}

void Stream::QueueFlush() {
  if (flush_queued_ || waiting_writable_) return;
  flush_queued_ = true;
  queue_.Add(shared_from_this());
}

int Stream::Send() {
  while (unsent_begin_ < unsent_.size()) {
    iovec pieces[kSendPiecesMax];
    const size_t count =
        std::min(kSendPiecesMax, unsent_.size() - unsent_begin_);
    size_t offered = 0;
    for (size_t i = 0; i < count; ++i) {
      const Buffer& piece = unsent_[unsent_begin_ + i];
      pieces[i] = {const_cast<char*>(piece.data()), piece.size()};
      offered += piece.size();
    }
    msghdr message = {};
    message.msg_iov = pieces;
    message.msg_iovlen = count;
    const ssize_t sent =
        sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return errno == EWOULDBLOCK ? EAGAIN : errno;
    }
    unsent_bytes_ -= sent;
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
    if (static_cast<size_t>(sent) < offered) return EAGAIN;
  }
  unsent_.clear();
  unsent_begin_ = 0;
  if (end_requested_ && !end_sent_) {
    end_sent_ = true;
    error_code ignored;
    socket_.shutdown(asio::socket_base::shutdown_send, ignored);
  }
  return 0;
}

void Stream::FlushAtTurnEnd() {
  flush_queued_ = false;
  if (closed_) return;
  const int error = Send();
  if (error == 0) return;
  if (error == EAGAIN) {
    WaitWritable();
  } else {
    FailLater(error);
  }
}

void Stream::WaitWritable() {
  waiting_writable_ = true;
  socket_.async_wait(asio::socket_base::wait_write,
                     [self = shared_from_this()](const error_code&) {
                       self->waiting_writable_ = false;
                       if (!self->closed_) self->OnWritable();
                     });
}

void Stream::OnWritable() {
  const int error = Send();
  if (error == EAGAIN) {
    WaitWritable();
  } else if (error != 0) {
    FailLater(error);
  } else if (observer_ != nullptr) {
    observer_->OnDrained();
  }
}

void Stream::FailLater(int error) {
  // Nobody is called at the end of a turn, nor inside a call to the stream.
  queue_.loop().Post([self = shared_from_this(), error] {
    if (self->closed_) return;
    self->Fail(absl::UnavailableError(
        "writing to " + self->peer_address_ + ": " +
        error_code(error, boost::system::system_category()).message()));
  });
}

void Stream::Fail(absl::Status reason) {
  Close();
  if (observer_ != nullptr) observer_->OnClosed(std::move(reason));
}

void Stream::Abandon() {
  if (closed_) return;
  (void)Send();
  Close();
}

void Stream::Close() {
  closed_ = true;
  error_code ignored;
  socket_.close(ignored);
  unsent_.clear();
  unsent_begin_ = 0;
  unsent_bytes_ = 0;
}

namespace {

class ConnectionEnd final : public env::Connection {
 public:
  explicit ConnectionEnd(std::shared_ptr<Stream> stream)
      : stream_(std::move(stream)) {}
  ~ConnectionEnd() override { stream_->Abandon(); }

  void SetObserver(Observer* observer) override {
    stream_->SetObserver(observer);
  }
  void Write(Buffer bytes) override { stream_->Write(std::move(bytes)); }
  size_t unsent_bytes() const override { return stream_->unsent_bytes(); }
  void End() override { stream_->End(); }
  void PauseReads() override { stream_->PauseReads(); }
  void ResumeReads() override { stream_->ResumeReads(); }
  std::string peer_address() const override { return stream_->peer_address(); }

 private:
  const std::shared_ptr<Stream> stream_;
};

}  // namespace

std::unique_ptr<env::Connection> MakeConnection(FlushQueue& queue,
                                                TcpSocket socket,
                                                std::string peer_address) {
  return std::make_unique<ConnectionEnd>(std::make_shared<Stream>(
      queue, std::move(socket), std::move(peer_address)));
}

FlushQueue::~FlushQueue() { loop_.CancelTurnEnd(this); }

void FlushQueue::Add(std::shared_ptr<Stream> stream) {
  if (streams_.empty()) loop_.AtTurnEnd(this);
  streams_.push_back(std::move(stream));
}

void FlushQueue::OnTurnEnd() {
  for (const std::shared_ptr<Stream>& stream : streams_) {
    stream->FlushAtTurnEnd();
  }
  streams_.clear();
}

}  // namespace quorate::net
