// net/streams/address.h: parses and formats "host:port".
// Resolves no names.
#ifndef QUORATE_NET_STREAMS_ADDRESS_H_
#define QUORATE_NET_STREAMS_ADDRESS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace quorate::net {

struct HostPort {
  // Without the brackets of an IPv6 literal.
  std::string host;
  uint16_t port = 0;

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// Parses "127.0.0.1:7001", "localhost:7001", "[::1]:7001". kInvalidArgument
// names the address and the error.
absl::StatusOr<HostPort> ParseHostPort(std::string_view address);

// The inverse of ParseHostPort. An IPv6 literal gets brackets.
std::string FormatHostPort(std::string_view host, uint16_t port);

}  // namespace quorate::net

#endif  // QUORATE_NET_STREAMS_ADDRESS_H_
