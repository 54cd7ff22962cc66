// env/certificates.h: the certificate of this node, for status pages and for
// those who change its files. Knows no TLS.
#ifndef QUORATE_ENV_CERTIFICATES_H_
#define QUORATE_ENV_CERTIFICATES_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "env/time.h"

namespace quorate::env {

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

#endif  // QUORATE_ENV_CERTIFICATES_H_
