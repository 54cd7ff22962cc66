#include "env/host_port.h"

#include <charconv>

namespace quorate {
namespace {

constexpr size_t kPortDigitsMax = 5;

absl::Status Wrong(std::string_view address, std::string_view what) {
  return absl::InvalidArgumentError(
      "'" + std::string(address) + "' is not an address: " + std::string(what));
}

bool HasBrackets(std::string_view host) {
  return host.size() >= 2 && host.front() == '[' && host.back() == ']';
}

}  // namespace

absl::StatusOr<HostPort> ParseBareHostPort(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) {
    return Wrong(address, "expected host:port");
  }
  std::string_view host = address.substr(0, colon);
  if (HasBrackets(host)) host = host.substr(1, host.size() - 2);
  const std::string_view port_text = address.substr(colon + 1);
  uint16_t port = 0;
  const char* const end = port_text.data() + port_text.size();
  const auto [rest, error] = std::from_chars(port_text.data(), end, port);
  if (error != std::errc() || rest != end ||
      port_text.size() > kPortDigitsMax) {
    return Wrong(address, "the port must be a number from 0 to 65535");
  }
  return HostPort{.host = std::string(host), .port = port};
}

absl::StatusOr<HostPort> ParseHostPort(std::string_view address) {
  const std::string_view host = address.substr(0, address.rfind(':'));
  if (!HasBrackets(host) && host.size() < address.size() &&
      (host.starts_with('[') || host.find(':') != std::string_view::npos)) {
    return Wrong(address, "an IPv6 address is written [address]:port");
  }
  absl::StatusOr<HostPort> parsed = ParseBareHostPort(address);
  if (parsed.ok() && parsed->host.empty()) {
    return Wrong(address, "the host is missing");
  }
  return parsed;
}

std::string FormatHostPort(std::string_view host, uint16_t port) {
  const bool bare =
      host.find(':') != std::string_view::npos && !HasBrackets(host);
  if (bare) return FormatBareHostPort("[" + std::string(host) + "]", port);
  return FormatBareHostPort(host, port);
}

std::string FormatBareHostPort(std::string_view host, uint16_t port) {
  return std::string(host) + ":" + std::to_string(port);
}

}  // namespace quorate
