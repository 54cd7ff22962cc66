#include "node/http/http_headers.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "node/base/text.h"

namespace quorate::node {
namespace {

constexpr size_t kNameBytesMax = 255;
constexpr std::string_view kLeaveHeaderOut = "leave this header out";
constexpr std::string_view kSecondRecovery =
    "a second recovery is already so, or refused: leave this header out";

// The headers and bodies that a route takes. Each one is refused by default.
struct RouteHeaders {
  std::string_view route;
  bool body = false;
  bool conditions = false;
  bool idempotency_key = false;
  bool operation = false;
  std::string_view advice = kLeaveHeaderOut;  // It follows a refusal.
};

constexpr RouteHeaders kRouteHeaders[] = {
    {.route = "kv_get", .conditions = true},
    {.route = "kv_put",
     .body = true,
     .conditions = true,
     .idempotency_key = true},
    {.route = "kv_delete", .conditions = true, .idempotency_key = true},
    {.route = "get", .conditions = true},
    {.route = "set", .advice = "use PUT /v1/kv/KEY"},
    {.route = "admin_change",
     .body = true,
     .idempotency_key = true,
     .operation = true},
    {.route = "admin_recover", .body = true, .advice = kSecondRecovery},
};

RouteHeaders HeadersOf(std::string_view route) {
  const auto found = std::find_if(
      std::begin(kRouteHeaders), std::end(kRouteHeaders),
      [&](const RouteHeaders& headers) { return headers.route == route; });
  return found == std::end(kRouteHeaders) ? RouteHeaders{.route = route}
                                          : *found;
}

// A header with a name that a client gives to its request.
struct NameHeader {
  std::string_view header;  // In lower case.
  std::string_view shown;
  std::string_view code;
};
constexpr NameHeader kKeyHeader = {"idempotency-key", "Idempotency-Key",
                                   "BAD_IDEMPOTENCY_KEY"};
constexpr NameHeader kOperationHeader = {"quorate-operation",
                                         "Quorate-Operation", "BAD_REQUEST"};

std::optional<HttpRefusal> ReadName(const HttpRequest& request,
                                    const NameHeader& name, bool taken,
                                    std::string_view advice,
                                    std::string_view* value) {
  size_t count = 0;
  for (const auto& [header, text] : request.headers) {
    if (header != name.header) continue;
    ++count;
    *value = text;
  }
  if (count == 0) return std::nullopt;
  if (!taken) {
    return HttpRefusal{
        "NOT_SUPPORTED",
        Concat("'", name.shown, "' is not supported here; ", advice)};
  }
  if (count > 1 || value->empty() || value->size() > kNameBytesMax) {
    return HttpRefusal{name.code,
                       Concat("a request has one ", name.shown, ", of 1 to ",
                              kNameBytesMax, " bytes")};
  }
  return std::nullopt;
}

}  // namespace

std::optional<HttpRefusal> ReadHeaders(std::string_view route,
                                       const HttpRequest& request,
                                       HttpNames* names) {
  *names = {};
  const RouteHeaders taken = HeadersOf(route);
  if (!taken.body && !request.body.empty()) {
    return HttpRefusal{"BAD_REQUEST",
                       Concat(request.method, " has no body here")};
  }
  if (!taken.conditions) {
    if (auto refusal = RefuseConditions(request, taken.advice)) return refusal;
  }
  if (auto refusal = ReadName(request, kKeyHeader, taken.idempotency_key,
                              taken.advice, &names->idempotency_key)) {
    return refusal;
  }
  if (auto refusal = ReadName(request, kOperationHeader, taken.operation,
                              taken.advice, &names->operation)) {
    return refusal;
  }
  if (!names->idempotency_key.empty() && !names->operation.empty()) {
    return HttpRefusal{"BAD_REQUEST",
                       "an operation has one name: send Idempotency-Key or "
                       "Quorate-Operation"};
  }
  return std::nullopt;
}

std::string_view ParserErrorCode(int status) {
  switch (status) {
    case 413:
      return "TOO_LARGE";
    case 415:
    case 417:
      return "NOT_SUPPORTED";
    default:
      return "BAD_REQUEST";
  }
}

}  // namespace quorate::node
