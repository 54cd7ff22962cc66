#include "env/host_port.h"

#include <charconv>

namespace quorate {
namespace {

constexpr size_t kPortDigitsMax = 5;

}  // namespace

absl::StatusOr<HostPort> ParseHostPort(std::string_view address) {
  const auto wrong = [&](const char* what) {
    return absl::InvalidArgumentError("'" + std::string(address) +
                                      "' is not an address: " + what);
  };
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return wrong("expected host:port");
  std::string_view host = address.substr(0, colon);
  const std::string_view port_text = address.substr(colon + 1);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.starts_with('[') ||
             host.find(':') != std::string_view::npos) {
    return wrong("an IPv6 address is written [address]:port");
  }
  if (host.empty()) return wrong("the host is missing");
  uint16_t port = 0;
  const char* const end = port_text.data() + port_text.size();
  const auto [rest, error] = std::from_chars(port_text.data(), end, port);
  if (error != std::errc() || rest != end ||
      port_text.size() > kPortDigitsMax) {
    return wrong("the port must be a number from 0 to 65535");
  }
  return HostPort{.host = std::string(host), .port = port};
}

std::string FormatHostPort(std::string_view host, uint16_t port) {
  const bool literal = host.find(':') != std::string_view::npos;
  return (literal ? "[" : "") + std::string(host) + (literal ? "]" : "") + ":" +
         std::to_string(port);
}

}  // namespace quorate
