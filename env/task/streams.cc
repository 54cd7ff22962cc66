#include "env/task/streams.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"

namespace quorate::env {

ByteStream::ByteStream(Loop& loop, std::unique_ptr<Connection> connection)
    : loop_(loop), connection_(std::move(connection)) {
  connection_->SetObserver(this);
}

Task<absl::StatusOr<std::string>> ByteStream::Read() {
  while (received_.empty()) {
    absl::Status status = co_await Wait();
    if (!status.ok()) co_return status;
  }
  co_return TakeBytes(received_.size());
}

Task<absl::StatusOr<std::string>> ByteStream::ReadExactly(size_t size) {
  while (received_.size() < size) {
    absl::Status status = co_await Wait();
    if (!status.ok()) co_return status;
  }
  co_return TakeBytes(size);
}

Task<absl::StatusOr<std::string>> ByteStream::ReadLine(size_t size_max) {
  size_t searched = 0;
  while (true) {
    const size_t end = received_.find('\n', searched);
    if (end != std::string::npos && end <= size_max) {
      std::string line = TakeBytes(end + 1);
      line.pop_back();
      co_return line;
    }
    if (received_.size() > size_max) {
      co_return absl::ResourceExhaustedError(
          absl::StrCat("the line has more than ", size_max, " bytes"));
    }
    searched = received_.size();
    absl::Status status = co_await Wait();
    if (!status.ok()) co_return status;
  }
}

Task<absl::Status> ByteStream::Wait() {
  if (!closed_.ok()) co_return closed_;
  if (peer_ended_) {
    co_return absl::OutOfRangeError("the peer sends no more bytes");
  }
  if (std::exchange(paused_, false)) connection_->ResumeReads();
  co_await changed_.Wait();
  co_return absl::OkStatus();
}

std::string ByteStream::TakeBytes(size_t size) {
  std::string bytes = received_.substr(0, size);
  received_.erase(0, size);
  return bytes;
}

Task<absl::Status> ByteStream::Write(Buffer bytes) {
  CHECK(!ended_) << "Write after End";
  if (!closed_.ok()) co_return closed_;
  connection_->Write(std::move(bytes));
  if (connection_->unsent_bytes() > kUnsentBytesMax) {
    // OnDrained is not called for bytes that leave at the end of this turn.
    next_turn_ =
        loop_.At(loop_.ReadClock().mono, [this] { changed_.Notify(); });
  }
  while (closed_.ok() && connection_->unsent_bytes() > kUnsentBytesMax) {
    co_await changed_.Wait();
  }
  co_return closed_;
}

Task<absl::Status> ByteStream::End() {
  if (!closed_.ok()) co_return closed_;
  ended_ = true;
  connection_->End();
  while (closed_.ok() && !drained_) co_await changed_.Wait();
  co_return closed_;
}

void ByteStream::OnBytes(std::string_view bytes) {
  received_.append(bytes);
  if (received_.size() >= kReadAheadBytesMax && !std::exchange(paused_, true)) {
    connection_->PauseReads();
  }
  changed_.Notify();
}

void ByteStream::OnEnd() {
  peer_ended_ = true;
  changed_.Notify();
}

void ByteStream::OnClosed(absl::Status reason) {
  closed_ = std::move(reason);
  changed_.Notify();
}

void ByteStream::OnDrained() {
  drained_ = ended_ && connection_->unsent_bytes() == 0;
  changed_.Notify();
}

WaitFor<absl::StatusOr<std::unique_ptr<ByteStream>>> Connect(
    Env& env, std::string address) {
  using Stream = absl::StatusOr<std::unique_ptr<ByteStream>>;
  return WaitFor<Stream>([&env, address = std::move(address)](
                             WaitFor<Stream>::Done done) {
    return env.streams.Connect(
        address,
        [&env, done = std::move(done)](
            absl::StatusOr<std::unique_ptr<Connection>> connection) mutable {
          if (!connection.ok()) return done(connection.status());
          done(std::make_unique<ByteStream>(env.loop, *std::move(connection)));
        });
  });
}

absl::StatusOr<std::unique_ptr<Acceptor>> Acceptor::Listen(
    Env& env, const std::string& address) {
  std::unique_ptr<Acceptor> acceptor(new Acceptor());
  auto listener = env.streams.Listen(
      address,
      [&env, &acceptor = *acceptor](std::unique_ptr<Connection> connection) {
        if (acceptor.waiting_.size() >= kWaitingMax) return;
        acceptor.waiting_.push_back(
            std::make_unique<ByteStream>(env.loop, std::move(connection)));
        acceptor.accepted_.Notify();
      });
  if (!listener.ok()) return listener.status();
  acceptor->listener_ = *std::move(listener);
  return acceptor;
}

Task<std::unique_ptr<ByteStream>> Acceptor::Accept() {
  while (waiting_.empty()) co_await accepted_.Wait();
  std::unique_ptr<ByteStream> stream = std::move(waiting_.front());
  waiting_.pop_front();
  co_return stream;
}

}  // namespace quorate::env
