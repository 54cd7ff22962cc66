// node/http/http_conditions.h: the conditions of a request: If-Match and
// If-None-Match (RFC 9110 13), and the parameters `cas` and `nx`.
//
// The entity tag of a value is its version in quotes. Versions are unique, so
// tags are strong.
#ifndef QUORATE_NODE_HTTP_HTTP_CONDITIONS_H_
#define QUORATE_NODE_HTTP_HTTP_CONDITIONS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kv/command/version.h"
#include "node/protocol/http_parser.h"

namespace quorate::node {

// A request that is refused with 400.
struct HttpRefusal {
  std::string_view code;
  std::string message;
};

// The value of If-Match or If-None-Match.
struct HttpTags {
  bool any = false;  // "*"
  // The versions among the tags. Other tags match no value.
  std::vector<kv::Version> versions = {};

  // Whether a tag matches a value that exists.
  bool Matches(const kv::Version& version) const;
};

// The conditions of a GET or HEAD. They are compared with the value that was
// read.
struct HttpReadConditions {
  std::optional<HttpTags> match;
  std::optional<HttpTags> none_match;

  bool empty() const { return !match.has_value() && !none_match.has_value(); }
  // Whether each of them holds for a value of this version.
  bool MatchHolds(const kv::Version& version) const {
    return !match.has_value() || match->Matches(version);
  }
  bool NoneMatchHolds(const kv::Version& version) const {
    return !none_match.has_value() || !none_match->Matches(version);
  }
  size_t size_bytes() const;
};

// Replaces `*conditions` by those of the request. Refuses malformed ones, other
// preconditions and ranges. Beside If-Match and If-None-Match the conditions on
// dates are ignored (RFC 9110 13.1.3, 13.1.4).
std::optional<HttpRefusal> ReadConditions(const HttpRequest& request,
                                          HttpReadConditions* conditions);

// A condition that the store checks together with the write.
struct HttpWriteCondition {
  enum class Kind : uint8_t {
    kNone,
    kAbsent,   // The key is absent.
    kPresent,  // The key exists.
    kVersion,  // The key has this version.
  };
  Kind kind = Kind::kNone;
  kv::Version version = {};
  std::string_view source = {};  // "cas", "nx", "If-Match" or "If-None-Match".
};

// Replaces `*condition` by the one that all parameters and headers of a PUT or
// DELETE amount to. Refuses malformed conditions, conditions that exclude each
// other, and those that the store cannot check together with the write.
std::optional<HttpRefusal> WriteCondition(const HttpRequest& request,
                                          const HttpTarget& target,
                                          HttpWriteCondition* condition);

// Refuses a header that asks for a condition or a part, at a route that knows
// none of them. `advice` follows "is not supported here".
std::optional<HttpRefusal> RefuseConditions(const HttpRequest& request,
                                            std::string_view advice);

}  // namespace quorate::node

#endif  // QUORATE_NODE_HTTP_HTTP_CONDITIONS_H_
