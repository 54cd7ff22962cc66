#include "node/http/http_parameters.h"

#include <algorithm>
#include <utility>

#include "env/check.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

constexpr size_t kShownBytesMax = 60;

constexpr std::string_view kReads[] = {"consistency", "redirect", "staleness"};
constexpr std::string_view kPuts[] = {"cas", "nx", "redirect", "ttl"};
constexpr std::string_view kDeletes[] = {"cas", "redirect"};
constexpr std::string_view kPlainGets[] = {"consistency", "key", "redirect",
                                           "staleness"};
constexpr std::string_view kPlainSets[] = {"key", "redirect", "value"};
constexpr std::string_view kScans[] = {"from", "limit", "to", "values"};
constexpr std::string_view kReadiness[] = {"verbose"};
constexpr std::string_view kChanges[] = {"dry_run"};

constexpr std::pair<std::string_view, HttpParameters> kRoutes[] = {
    {"kv_get", {"GET /v1/kv/KEY", kReads}},
    {"kv_put", {"PUT /v1/kv/KEY", kPuts}},
    {"kv_delete", {"DELETE /v1/kv/KEY", kDeletes}},
    {"get", {"/get", kPlainGets}},
    {"set", {"/set", kPlainSets}},
    {"scan", {"/v1/scan", kScans}},
    {"readyz", {"/readyz", kReadiness}},
    {"livez", {"/livez", {}}},
    {"metrics", {"/metrics", {}}},
    {"index", {"/", {}}},
    {"admin_read", {"a read", {}}},
    {"admin_change", {"a change", kChanges}},
    {"admin_recover", {"a recovery", kChanges}},
};

// They are given by their name alone.
constexpr std::string_view kFlags[] = {"dry_run", "nx", "redirect", "values",
                                       "verbose"};

bool Contains(absl::Span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string KnownTo(const HttpParameters& parameters) {
  if (parameters.known.empty()) {
    return Concat(parameters.route, " takes none");
  }
  std::string text = Concat(parameters.route, " takes");
  for (size_t i = 0; i < parameters.known.size(); ++i) {
    const bool last = i + 1 == parameters.known.size();
    Append(&text, i == 0 ? " " : last ? " and " : ", ", parameters.known[i]);
  }
  return text;
}

}  // namespace

const HttpParameters& ParametersOf(std::string_view name) {
  for (const auto& [route, parameters] : kRoutes) {
    if (route == name) return parameters;
  }
  CHECK(false) << "no route " << name;
  return kRoutes[0].second;
}

std::string Shown(std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string shown;
  for (const char c : text.substr(0, kShownBytesMax)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      shown += c;
    } else {
      Append(&shown, '%', kDigits[byte >> 4], kDigits[byte & 15]);
    }
  }
  if (text.size() > kShownBytesMax) shown += "…";
  return shown;
}

std::string ParameterError(const HttpParameters& parameters,
                           const HttpTarget& target) {
  for (size_t i = 0; i < target.query.size(); ++i) {
    const auto& [name, value] = target.query[i];
    if (!Contains(parameters.known, name)) {
      return Concat("unknown parameter '", Shown(name), "'; ",
                    KnownTo(parameters));
    }
    // The names before this one are known and differ, so they are few.
    for (size_t before = 0; before < i; ++before) {
      if (target.query[before].first == name) {
        return Concat("parameter '", name, "' is given twice");
      }
    }
    const bool flag_is_set = value.empty() || value == "1" || value == "true";
    if (Contains(kFlags, name) && !flag_is_set) {
      return Concat("parameter '", name, "' has no values but 1 and true, ",
                    "which may be left out; found '", Shown(value), "'");
    }
  }
  return "";
}

}  // namespace quorate::node
