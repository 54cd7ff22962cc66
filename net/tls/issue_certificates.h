// net/tls/issue_certificates.h: makes an authority and the certificates that it
// signs, for clusters without an authority of their own. Keys are ECDSA P-256.
#ifndef QUORATE_NET_TLS_ISSUE_CERTIFICATES_H_
#define QUORATE_NET_TLS_ISSUE_CERTIFICATES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace quorate::net {

// A certificate with its private key, in PEM.
struct IssuedCertificate {
  std::string certificate;
  std::string key;
};

struct CertificateWish {
  std::string common_name;
  // A "quorate://…" name; empty: none.
  std::string uri = {};
  // Names and IP addresses at which clients find the server.
  std::vector<std::string> hosts = {};
  // Whether it identifies a server, beside a client.
  bool server = false;
  // Seconds since 1970.
  int64_t now = 0;
  int days = 0;
};

// An authority that trusts itself. It signs certificates of nodes and clients,
// and none of other authorities.
absl::StatusOr<IssuedCertificate> MakeAuthority(const CertificateWish& wish);

// A certificate that `authority` signs. It ends with the authority at the
// latest. kInvalidArgument: a host or the authority is wrong.
absl::StatusOr<IssuedCertificate> IssueCertificate(
    const IssuedCertificate& authority, const CertificateWish& wish);

}  // namespace quorate::net

#endif  // QUORATE_NET_TLS_ISSUE_CERTIFICATES_H_
