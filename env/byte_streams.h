// env/byte_streams.h: byte streams of clients, on both sides, and the
// certificate that a node shows on those with TLS. Knows no protocol.
//
// The simulator splits, merges, delays and resets streams, so a reader must
// accept bytes in pieces of any size.
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
#include "env/time.h"

namespace quorate::env {

// The other end of a byte stream, as far as the stream has proven it. Code that
// decides on it never looks at addresses.
struct StreamIdentity {
  // The bytes are encrypted, and no third party has changed them.
  bool secured = false;
  // The "quorate://…" name in the certificate that the other end has proven to
  // own, and that the authority of the cluster has signed. Empty: there is
  // none.
  std::string name = {};

  friend bool operator==(const StreamIdentity&,
                         const StreamIdentity&) = default;
};

// One end of a byte stream. Bytes arrive in order, split and merged anywhere.
// Destroying it closes the stream. Bytes already written may still be
// delivered, in whole, in part or not at all.
class Connection {
 public:
  class Observer {
   public:
    // Called in step 1 of a turn. `bytes` is valid during the call.
    virtual void OnBytes(std::string_view bytes) = 0;
    // The peer sends no more bytes (half-close). Writing still works.
    virtual void OnEnd() = 0;
    // The stream was reset or failed. kDeadlineExceeded: the peer took no bytes
    // for too long. No other function is called after this one.
    virtual void OnClosed(absl::Status reason) = 0;
    // Called in a later turn, in two cases:
    //   - unsent_bytes() fell to zero after it was above zero at the end of a
    //     turn;
    //   - once after End(), when all queued bytes and the end itself have left.
    // After both this call for End() and OnEnd, no function is called any more,
    // and the connection can be destroyed.
    virtual void OnDrained() = 0;

   protected:
    ~Observer() = default;
  };

  virtual ~Connection() = default;
  // Must be called once, in the turn in which the connection was received. The
  // observer must be alive whenever one of its functions can be called. It may
  // destroy the connection inside any of them.
  virtual void SetObserver(Observer* observer) = 0;
  // Queues bytes; never blocks. They leave from the end of this turn on.
  virtual void Write(Buffer bytes) = 0;
  // Bytes queued and not yet taken by the peer's side. The caller must limit
  // them.
  virtual size_t unsent_bytes() const = 0;
  // Bytes that the peer's machine has taken so far. The number rises while the
  // peer reads.
  virtual uint64_t taken_bytes() const = 0;
  // Sends the queued bytes, then half-closes; OnDrained reports the end. No
  // Write may follow.
  virtual void End() = 0;
  // While reads are paused, OnBytes and OnEnd are not called, and the peer must
  // wait once buffers are full.
  virtual void PauseReads() = 0;
  virtual void ResumeReads() = 0;
  // "host:port" of the other side, for log lines and status pages.
  virtual std::string peer_address() const = 0;
  // Valid from the first call of OnBytes on.
  virtual StreamIdentity identity() const { return {}; }
};

// An address that accepts connections. Destroying it stops listening; accepted
// connections stay open.
class Listener {
 public:
  virtual ~Listener() = default;
  // The bound "host:port". A requested port of 0 is replaced by the chosen one.
  virtual std::string address() const = 0;
};

class Streams {
 public:
  using Accept = absl::AnyInvocable<void(std::unique_ptr<Connection>)>;
  using Connected =
      absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<Connection>>)>;

  // Listens on "host:port". kUnavailable (in use) or kInvalidArgument; the
  // message contains the address.
  virtual absl::StatusOr<std::unique_ptr<Listener>> Listen(
      const std::string& address, Accept accept) = 0;
  // Opens a stream to "host:port"; `connected` is called in a later turn.
  virtual Pending Connect(const std::string& address, Connected connected) = 0;

 protected:
  ~Streams() = default;
};

// Whether an address speaks TLS.
enum class TlsMode : uint8_t {
  kOff,
  // The first byte of a connection decides.
  kOptional,
  kRequired,
};

// PEM files. All are named or none is.
struct CertificateFiles {
  std::string certificate;  // Of this node; those of its signers may follow.
  std::string key;          // The private key of the certificate.
  std::string ca;           // Certificates of the trusted authorities.

  friend bool operator==(const CertificateFiles&,
                         const CertificateFiles&) = default;
};

struct CertificateState {
  // The least remaining validity of the certificate in use and of the
  // authorities that sign it. Negative: one has expired.
  Duration left;
  // Handshakes that ended well, and others.
  uint64_t handshakes = 0;
  uint64_t failed_handshakes = 0;
  uint64_t reloads = 0;
  uint64_t failed_reloads = 0;
  // Why the files of the last reload are not in use. Empty: they are.
  std::string reload_error = {};
};

class Certificates {
 public:
  virtual CertificateState state() const = 0;
  virtual const CertificateFiles& files() const = 0;
  // Uses these files for later connections. On an error everything stays as it
  // was.
  virtual absl::Status Use(const CertificateFiles& files) = 0;

 protected:
  ~Certificates() = default;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_BYTE_STREAMS_H_
