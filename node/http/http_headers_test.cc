#include "node/http/http_headers.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view kRouteNames[] = {
    "kv_get", "kv_put",     "kv_delete",    "get",
    "set",    "scan",       "readyz",       "metrics",
    "index",  "admin_read", "admin_change", "admin_recover"};

// The code of the refusal and its message; "" if the request is taken.
std::string Refusal(std::string_view route, Headers headers,
                    std::string body = "") {
  HttpRequest request;
  request.method = "GET";
  request.headers = std::move(headers);
  request.body = std::move(body);
  HttpNames names;
  const auto refusal = ReadHeaders(route, request, &names);
  return refusal.has_value() ? Concat(refusal->code, ": ", refusal->message)
                             : "";
}

// The routes that take a request like this.
std::vector<std::string_view> Takers(const Headers& headers,
                                     const std::string& body = "") {
  std::vector<std::string_view> takers;
  for (const std::string_view route : kRouteNames) {
    if (Refusal(route, headers, body).empty()) takers.push_back(route);
  }
  return takers;
}

TEST(HttpHeaders, EachRoute_TakesItsOwnAlone) {
  using Routes = std::vector<std::string_view>;
  EXPECT_EQ(Takers({}).size(), std::size(kRouteNames));
  EXPECT_EQ(Takers({}, "b"),
            (Routes{"kv_put", "admin_change", "admin_recover"}));
  EXPECT_EQ(Takers({{"if-match", "*"}}),
            (Routes{"kv_get", "kv_put", "kv_delete", "get"}));
  EXPECT_EQ(Takers({{"idempotency-key", "a"}}),
            (Routes{"kv_put", "kv_delete", "admin_change"}));
  EXPECT_EQ(Takers({{"quorate-operation", "a"}}), (Routes{"admin_change"}));
}

TEST(HttpHeaders, Refusals_NameTheHeader) {
  EXPECT_EQ(Refusal("kv_get", {{"idempotency-key", "a"}}),
            "NOT_SUPPORTED: 'Idempotency-Key' is not supported here; leave "
            "this header out");
  EXPECT_EQ(Refusal("set", {{"idempotency-key", "a"}}),
            "NOT_SUPPORTED: 'Idempotency-Key' is not supported here; use PUT "
            "/v1/kv/KEY");
  EXPECT_EQ(Refusal("admin_recover", {{"quorate-operation", "a"}}),
            "NOT_SUPPORTED: 'Quorate-Operation' is not supported here; a "
            "second recovery is already so, or refused: leave this header out");
  EXPECT_EQ(Refusal("kv_get", {}, "b"), "BAD_REQUEST: GET has no body here");
  EXPECT_EQ(Refusal("admin_change",
                    {{"idempotency-key", "a"}, {"quorate-operation", "b"}}),
            "BAD_REQUEST: an operation has one name: send Idempotency-Key or "
            "Quorate-Operation");
}

TEST(HttpHeaders, Name_IsOneOf255Bytes) {
  for (const std::string name : {"idempotency-key", "quorate-operation"}) {
    EXPECT_EQ(Refusal("admin_change", {{name, std::string(255, 'a')}}), "");
    for (const Headers& headers :
         {Headers{{name, ""}}, Headers{{name, std::string(256, 'a')}},
          Headers{{name, "a"}, {name, "a"}},
          Headers{{name, "a"}, {name, "b"}}}) {
      const std::string refusal = Refusal("admin_change", headers);
      EXPECT_NE(refusal.find(", of 1 to 255 bytes"), refusal.npos) << refusal;
    }
  }
  HttpRequest request;
  request.headers = {{"quorate-operation", "o"}};
  HttpNames names = {.idempotency_key = "before", .operation = "before"};
  EXPECT_FALSE(ReadHeaders("admin_change", request, &names).has_value());
  EXPECT_EQ(names.idempotency_key, "");
  EXPECT_EQ(names.operation, "o");
}

}  // namespace
}  // namespace quorate::node
