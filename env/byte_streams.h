// env/byte_streams.h: byte streams from clients (and to servers, for clients that live in an environment).
//
// The simulator splits, merges, holds back and resets them; whoever reads must take bytes as they come. Knows no protocol.
#ifndef QUORATE_ENV_BYTE_STREAMS_H_
#define QUORATE_ENV_BYTE_STREAMS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/pending.h"

namespace quorate::env {

// One end of a byte stream. Bytes arrive in order, split and merged anywhere. Destroying it closes the stream: bytes already
// written may still be delivered, in whole, in part or not at all.
class Connection {
 public:
  class Observer {
   public:
    // In step 1 of a turn. `bytes` is valid during the call.
    virtual void OnBytes(std::string_view bytes) = 0;
    // The peer will send nothing more (half-close); writing still works.
    virtual void OnEnd() = 0;
    // The stream is gone: reset, or failed (kDeadlineExceeded: the peer took nothing for too long). Nothing is called after
    // it.
    virtual void OnClosed(absl::Status reason) = 0;
    // In a later turn: unsent_bytes() fell back to zero after it was above zero at the end of a turn; and once after End(),
    // when everything queued before it and the end itself have left. Whoever called End() knows by it that nothing of this
    // side waits any more: once OnEnd came too, nothing else will, and the connection is kept only to be destroyed.
    virtual void OnDrained() = 0;

   protected:
    ~Observer() = default;
  };

  virtual ~Connection() = default;
  // Must be called once, in the turn that gave the connection out. The observer outlives the connection or is outlived by it;
  // it may destroy the connection inside any call to itself.
  virtual void SetObserver(Observer* observer) = 0;
  // Queues bytes; never blocks. What is queued in one turn leaves together.
  virtual void Write(Buffer bytes) = 0;
  // Bytes queued and not yet taken by the peer's side. The caller bounds them.
  virtual size_t unsent_bytes() const = 0;
  // Bytes that the peer's machine has taken so far: rises as long as the peer reads, however slowly.
  virtual uint64_t taken_bytes() const = 0;
  // Sends what is queued, then half-closes; OnDrained tells when. Nothing may be written after it.
  virtual void End() = 0;
  // While paused no OnBytes or OnEnd is called; the peer is held back once buffers are full.
  virtual void PauseReads() = 0;
  virtual void ResumeReads() = 0;
  // "host:port" of the other side, for people.
  virtual std::string peer_address() const = 0;
};

// An address that accepts connections. Destroying it stops listening; accepted connections live on.
class Listener {
 public:
  virtual ~Listener() = default;
  // "host:port" actually bound (a port of 0 was replaced by the one chosen).
  virtual std::string address() const = 0;
};

class Streams {
 public:
  using Accept = absl::AnyInvocable<void(std::unique_ptr<Connection>)>;
  using Connected =
      absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<Connection>>)>;

  // Listens on "host:port". kUnavailable (in use) or kInvalidArgument, the message naming the address.
  virtual absl::StatusOr<std::unique_ptr<Listener>> Listen(
      const std::string& address, Accept accept) = 0;
  // Opens a stream to "host:port"; `connected` is called in a later turn.
  virtual Pending Connect(const std::string& address, Connected connected) = 0;

 protected:
  ~Streams() = default;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_BYTE_STREAMS_H_
