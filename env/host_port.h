// env/host_port.h: parses and formats addresses "host:port".
//
// Resolves no names: whether a host exists is for the network to say.
#ifndef QUORATE_ENV_HOST_PORT_H_
#define QUORATE_ENV_HOST_PORT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace quorate {

struct HostPort {
  std::string host;  // Without the brackets of an IPv6 literal.
  uint16_t port = 0;

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// Parses "127.0.0.1:7001", "localhost:7001", "[::1]:7001". kInvalidArgument
// names the address and the error.
absl::StatusOr<HostPort> ParseHostPort(std::string_view address);

// The inverse of ParseHostPort. An IPv6 literal gets brackets, unless it has
// them.
std::string FormatHostPort(std::string_view host, uint16_t port);

// Parses "::1:7001", as the Redis Cluster protocol writes addresses: the port
// follows the last colon, and an IPv6 literal has no brackets. Brackets are
// accepted. The host may be empty, which means the host of the node that
// replied. Errors as ParseHostPort.
absl::StatusOr<HostPort> ParseBareHostPort(std::string_view address);

// The inverse of ParseBareHostPort: an IPv6 literal gets no brackets.
std::string FormatBareHostPort(std::string_view host, uint16_t port);

}  // namespace quorate

#endif  // QUORATE_ENV_HOST_PORT_H_
