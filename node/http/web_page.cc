#include "node/http/web_page.h"

#include <string>

#include "absl/strings/ascii.h"

namespace quorate::node {

bool IsFromWebPage(const HttpRequest& request) {
  const std::string* const site = request.Header("sec-fetch-site");
  if (site != nullptr) return *site != "none";
  return request.Header("origin") != nullptr ||
         request.Header("referer") != nullptr;
}

bool NamesThisNode(const HttpRequest& request, std::string_view address) {
  const std::string* const header = request.Header("host");
  if (header == nullptr) return true;  // No browser.
  const auto without_port = [](std::string_view text) {
    const size_t colon = text.rfind(':');
    return colon < text.size() && text.find(']', colon) == text.npos
               ? text.substr(0, colon)
               : text;
  };
  const std::string host =
      absl::AsciiStrToLower(std::string(without_port(*header)));
  return host.starts_with('[') ||
         host.find_first_not_of("0123456789.") == host.npos ||
         host == "localhost" ||
         host == absl::AsciiStrToLower(std::string(without_port(address)));
}

}  // namespace quorate::node
