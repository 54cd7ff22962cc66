// env/task/streams.h: byte streams (env/byte_streams.h) for tasks.
//
//   auto stream = co_await env::Connect(env, "n2:9001");
//   if (!stream.ok()) co_return stream.status();
//   absl::Status sent = co_await (*stream)->Write(Buffer::Copy("get\n"));
//   absl::StatusOr<std::string> line = co_await (*stream)->ReadLine(1 << 10);
//
// Destroying a ByteStream closes it. Bytes that were written may be lost then;
// End waits until they have left.
#ifndef QUORATE_ENV_TASK_STREAMS_H_
#define QUORATE_ENV_TASK_STREAMS_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/byte_streams.h"
#include "env/env.h"
#include "env/task/task.h"
#include "env/task/wait.h"

namespace quorate::env {

// One end of a stream. At most one task reads at a time, and one writes; they
// may be different ones. It outlives its tasks.
//
// Errors: the reason for which the stream was closed, and kOutOfRange if the
// peer sends no more bytes. Bytes that arrived before an error are read first.
class ByteStream final : Connection::Observer {
 public:
  // Bytes that arrive while no task reads. Then the peer must wait.
  static constexpr size_t kReadAheadBytesMax = 64 << 10;
  // Bytes that the peer has not taken. Then Write waits.
  static constexpr size_t kUnsentBytesMax = 256 << 10;

  // Call it in the turn in which the connection was received. The loop outlives
  // the object.
  ByteStream(Loop& loop, std::unique_ptr<Connection> connection);
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  // Some bytes, at least one.
  Task<absl::StatusOr<std::string>> Read();
  // So many bytes.
  Task<absl::StatusOr<std::string>> ReadExactly(size_t size);
  // The bytes before the next '\n', which is removed. kResourceExhausted: the
  // line has more than `size_max` bytes, none of which are removed.
  Task<absl::StatusOr<std::string>> ReadLine(size_t size_max);
  // Queues the bytes. Ends once few bytes are unsent: the peer need not have
  // them.
  Task<absl::Status> Write(Buffer bytes);
  // Half-closes the stream. Ends when all bytes have left. No Write may follow.
  Task<absl::Status> End();

  std::string peer_address() const { return connection_->peer_address(); }

 private:
  void OnBytes(std::string_view bytes) override;
  void OnEnd() override;
  void OnClosed(absl::Status reason) override;
  void OnDrained() override;
  // Waits until there are more bytes, or an error, which it returns.
  Task<absl::Status> Wait();
  std::string TakeBytes(size_t size);

  Loop& loop_;
  const std::unique_ptr<Connection> connection_;
  std::string received_;  // Bytes that were not read.
  bool paused_ = false;
  bool peer_ended_ = false;
  bool ended_ = false;  // End was called.
  bool drained_ = false;
  absl::Status closed_;  // The reason; kOk while the stream is open.
  Signal changed_;
  Pending next_turn_;
};

// Opens a stream to "host:port". `env` outlives the stream.
WaitFor<absl::StatusOr<std::unique_ptr<ByteStream>>> Connect(
    Env& env, std::string address);

// An address that accepts streams. Destroying it stops listening.
class Acceptor {
 public:
  // Streams that wait for Accept. Further ones are closed.
  static constexpr size_t kWaitingMax = 128;

  // Listens on "host:port". See Streams::Listen for errors. `env` outlives the
  // object and its streams.
  static absl::StatusOr<std::unique_ptr<Acceptor>> Listen(
      Env& env, const std::string& address);
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // The next stream. At most one task calls it at a time.
  Task<std::unique_ptr<ByteStream>> Accept();
  std::string address() const { return listener_->address(); }

 private:
  Acceptor() = default;

  std::deque<std::unique_ptr<ByteStream>> waiting_;
  Signal accepted_;
  std::unique_ptr<Listener> listener_;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_TASK_STREAMS_H_
