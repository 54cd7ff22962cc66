// net/tls/tls_context.h: a certificate, its private key and the trusted
// authorities, checked and ready for connections.
#ifndef QUORATE_NET_TLS_TLS_CONTEXT_H_
#define QUORATE_NET_TLS_TLS_CONTEXT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "env/byte_streams.h"
#include "net/tls/openssl.h"
#include "net/tls/tls_role.h"

namespace quorate::net {

// The text of the file, of which at most 1 MiB is read.
absl::StatusOr<std::string> ReadPemFile(const std::string& path);

// Immutable, so connections may keep it when a newer one replaces it. TLS 1.2
// and 1.3, with tickets, without renegotiation and compression.
class TlsContext {
 public:
  // Reads and checks the files. The certificate must be valid at `now`, in
  // seconds since 1970. Its key must be the given one, and the authorities must
  // have signed it. The error names the file.
  static absl::StatusOr<std::shared_ptr<const TlsContext>> Load(
      const env::CertificateFiles& files, int64_t now);
  // The context of a client that shows no certificate. It trusts the
  // authorities in the file `ca`.
  static absl::StatusOr<std::shared_ptr<const TlsContext>> LoadForClient(
      const std::string& ca);

  // Returns a new connection's state, or null if memory ran out.
  OpenSsl<SSL> NewSession(TlsRole role) const;
  // The end of the validity of the certificate and of all its signers, in
  // seconds since 1970.
  int64_t not_after() const { return not_after_; }

 private:
  TlsContext() = default;
  // Reads the file, and trusts its certificates.
  absl::Status Trust(const std::string& ca);

  OpenSsl<X509_STORE> authorities_;
  OpenSsl<STACK_OF(X509_NAME)> authority_names_;
  // Indexed by TlsRole. The servers are null in the context of a client.
  OpenSsl<SSL_CTX> contexts_[3];
  int64_t not_after_ = 0;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_TLS_TLS_CONTEXT_H_
