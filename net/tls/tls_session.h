// net/tls/tls_session.h: the TLS of one connection, over bytes in memory. Knows
// no socket.
#ifndef QUORATE_NET_TLS_TLS_SESSION_H_
#define QUORATE_NET_TLS_TLS_SESSION_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "env/byte_streams.h"
#include "net/tls/openssl.h"
#include "net/tls/tls_context.h"

namespace quorate::net {

// "Sealed" bytes are those on the wire, "plain" ones those of the user. The
// session buffers at most one record that is incomplete. After an error only
// the destructor may be called.
class TlsSession {
 public:
  // Bytes of plain text in one record.
  static constexpr size_t kRecordBytes = 16 << 10;
  // One record makes the bytes on the wire at most so many more.
  static constexpr size_t kRecordOverhead = 256;

  TlsSession(std::shared_ptr<const TlsContext> context, TlsRole role);
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  struct Opened {
    size_t plain_bytes = 0;
    bool ended = false;  // The other end sends no more bytes.
    // The plain bytes were received before the error.
    absl::Status status = absl::OkStatus();
  };
  // Takes sealed bytes. Writes the plain ones to `plain`, which has room for
  // sealed.size() + kRecordBytes + kRecordOverhead bytes. Appends to `out` what
  // must be sent, also after an error. A client calls it without bytes first.
  Opened Open(std::string_view sealed, char* plain, std::string* out);
  // Appends the sealed form of `plain` to `out`. Requires: !handshaking().
  absl::Status Seal(std::string_view plain, std::string* out);
  // Appends to `out` that no more bytes follow.
  void End(std::string* out);

  bool handshaking() const { return SSL_is_init_finished(ssl_.get()) == 0; }
  // Complete once handshaking() is false.
  env::StreamIdentity identity() const;

 private:
  static const BIO_METHOD* BioMethod();
  static int ReadBio(BIO* bio, char* bytes, int size);
  static int WriteBio(BIO* bio, const char* bytes, int size);
  static long ControlBio(BIO* bio, int command, long number, void* pointer);
  absl::Status Failure();

  const std::shared_ptr<const TlsContext> context_;
  // The bytes that the BIO reads, and the text to which it appends. Valid
  // during a call.
  std::string_view in_;
  std::string* out_ = nullptr;
  const OpenSsl<SSL> ssl_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_TLS_TLS_SESSION_H_
