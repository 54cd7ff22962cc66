// net/streams/address.h: "host:port" in words and apart.
// Nothing is resolved here.
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

// Reads "127.0.0.1:7001", "localhost:7001", "[::1]:7001". kInvalidArgument
// names the address and says what is wrong.
absl::StatusOr<HostPort> ParseHostPort(std::string_view address);

// The reverse; an IPv6 literal gets its brackets.
std::string FormatHostPort(std::string_view host, uint16_t port);

}  // namespace quorate::net

#endif  // QUORATE_NET_STREAMS_ADDRESS_H_
