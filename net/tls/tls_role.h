// net/tls/tls_role.h: the part of one end of a connection in its handshake.
// Headers of other packages include it in place of those of OpenSSL.
#ifndef QUORATE_NET_TLS_TLS_ROLE_H_
#define QUORATE_NET_TLS_TLS_ROLE_H_

#include <cstdint>

namespace quorate::net {

enum class TlsRole : uint8_t {
  kServer,        // Asks for no certificate.
  kMutualServer,  // Demands a certificate that the authorities signed.
  kClient,        // Demands one as well, and shows its own.
};

}  // namespace quorate::net

#endif  // QUORATE_NET_TLS_TLS_ROLE_H_
