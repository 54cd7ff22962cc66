#include "node/http/http_conditions.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "node/base/text.h"
#include "node/http/http_parameters.h"

namespace quorate::node {
namespace {

using Kind = HttpWriteCondition::Kind;

// No entry has this place, so no value has this version. It stands for tags
// that match nothing.
constexpr kv::Version kNoVersion = {
    GroupId(std::numeric_limits<uint32_t>::max()),
    raft::Index(std::numeric_limits<uint64_t>::max()),
    std::numeric_limits<uint32_t>::max()};

// Tags are compared byte by byte, so other spellings of a version are no
// version.
std::optional<kv::Version> VersionOfTag(std::string_view tag) {
  const std::optional<kv::Version> version = kv::ParseVersion(tag);
  if (!version.has_value() || version->none() ||
      kv::FormatVersion(*version) != tag) {
    return std::nullopt;
  }
  return version;
}

// Reads an entity tag (RFC 9110 8.8.3) from the beginning of `*rest`.
struct EntityTag {
  bool weak = false;
  std::string_view text;  // Between the quotes.
};
std::optional<EntityTag> TakeTag(std::string_view* rest) {
  EntityTag tag;
  tag.weak = rest->starts_with("W/");
  if (tag.weak) rest->remove_prefix(2);
  if (!rest->starts_with('"')) return std::nullopt;
  rest->remove_prefix(1);
  const size_t end = rest->find('"');
  if (end == std::string_view::npos) return std::nullopt;
  tag.text = rest->substr(0, end);
  rest->remove_prefix(end + 1);
  const bool plain = std::none_of(tag.text.begin(), tag.text.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20;
  });
  return plain ? std::optional(tag) : std::nullopt;
}

// Removes what may be between the elements of a list (RFC 9110 5.6.1). True if
// it contained a comma.
bool SkipBetween(std::string_view* rest) {
  const size_t count = std::min(rest->find_first_not_of(" \t,"), rest->size());
  const bool comma = rest->substr(0, count).find(',') != std::string_view::npos;
  rest->remove_prefix(count);
  return comma;
}

// Appends the tags of one header line. `weak_too`: weak tags count (RFC 9110
// 8.8.3.2).
bool AppendTags(std::string_view rest, bool weak_too, HttpTags* tags) {
  SkipBetween(&rest);
  while (!rest.empty()) {
    const std::optional<EntityTag> tag = TakeTag(&rest);
    if (!tag.has_value()) return false;
    if (!SkipBetween(&rest) && !rest.empty()) return false;
    if (tag->weak && !weak_too) continue;
    const auto version = VersionOfTag(tag->text);
    if (!version.has_value()) continue;
    if (tags->versions.empty() || tags->versions.back() != *version) {
      tags->versions.push_back(*version);
    }
  }
  return true;
}

// The value of the header, whose lines are one list. An empty list is refused:
// it is probably a mistake.
std::optional<HttpRefusal> ReadTags(const HttpRequest& request,
                                    std::string_view name, bool weak_too,
                                    std::optional<HttpTags>* tags) {
  size_t lines = 0;
  bool well_formed = true;
  bool named = false;
  HttpTags read;
  for (const auto& [header, value] : request.headers) {
    if (!EqualsIgnoreCase(header, name)) continue;
    ++lines;
    if (value == "*") {
      read.any = true;
      named = true;
    } else {
      well_formed = well_formed && AppendTags(value, weak_too, &read);
      named = named || value.find('"') != std::string::npos;
    }
  }
  if (lines == 0) return std::nullopt;
  // "*" stands alone.
  if (!well_formed || !named || (read.any && lines > 1)) {
    return HttpRefusal{"BAD_CONDITION",
                       Concat(name, " must be * or versions in quotes, as in ",
                              name, ": \"1.4.0\"")};
  }
  *tags = std::move(read);
  return std::nullopt;
}

HttpRefusal NotSupported(std::string_view header, std::string_view why) {
  return {"NOT_SUPPORTED", Concat("'", Shown(header), "' ", why)};
}

// Refuses other conditions than If-Match and If-None-Match, and ranges. `what`:
// "read" or "written"; `conditions`: the conditions that the method has.
std::optional<HttpRefusal> RefuseUnsupported(const HttpRequest& request,
                                             std::string_view what,
                                             std::string_view conditions) {
  // RFC 9110 13.1.3 and 13.1.4: they replace the conditions on dates.
  const bool match = request.Header("if-match") != nullptr;
  const bool none_match = request.Header("if-none-match") != nullptr;
  for (const auto& [name, value] : request.headers) {
    // RFC 9110 14.5: a recipient without support refuses Content-Range.
    if (name == "content-range" || name == "range") {
      return NotSupported(name, Concat("is not supported: a value is ", what,
                                       " whole; leave this header out"));
    }
    if (!name.starts_with("if-") && name != "if") continue;
    if (name == "if-match" || name == "if-none-match" ||
        (name == "if-unmodified-since" && match) ||
        (name == "if-modified-since" && none_match)) {
      continue;
    }
    return NotSupported(name, Concat("is not supported; ", conditions));
  }
  return std::nullopt;
}

// Adds a condition to `*sum`, unless no key can meet both.
std::optional<HttpRefusal> Add(const HttpWriteCondition& condition,
                               HttpWriteCondition* sum) {
  const auto implies = [](const HttpWriteCondition& a,
                          const HttpWriteCondition& b) {
    return a.kind == Kind::kVersion && b.kind == Kind::kPresent;
  };
  if (sum->kind == Kind::kNone || implies(condition, *sum)) {
    *sum = condition;
  } else if (!implies(*sum, condition) && (sum->kind != condition.kind ||
                                           sum->version != condition.version)) {
    return HttpRefusal{"MALFORMED",
                       Concat(sum->source, " and ", condition.source,
                              " exclude each other: no key can meet both")};
  }
  return std::nullopt;
}

// The version of `cas`: in the form of X-Quorate-Version, or "0" for an absent
// key. In errors such a key has the version "0.0.0".
std::optional<HttpWriteCondition> ConditionOfCas(std::string_view text) {
  if (text == "0" || text == "0.0.0") {
    return HttpWriteCondition{Kind::kAbsent, {}, "cas"};
  }
  const std::optional<kv::Version> version = VersionOfTag(text);
  if (!version.has_value()) return std::nullopt;
  return HttpWriteCondition{Kind::kVersion, *version, "cas"};
}

}  // namespace

bool HttpTags::Matches(const kv::Version& version) const {
  return any ||
         std::find(versions.begin(), versions.end(), version) != versions.end();
}

size_t HttpReadConditions::size_bytes() const {
  size_t bytes = sizeof(*this);
  for (const auto* tags : {&match, &none_match}) {
    if (tags->has_value())
      bytes += (*tags)->versions.size() * sizeof(kv::Version);
  }
  return bytes;
}

std::optional<HttpRefusal> ReadConditions(const HttpRequest& request,
                                          HttpReadConditions* conditions) {
  *conditions = {};
  auto refusal = RefuseUnsupported(request, "read",
                                   "the conditions of a read are If-Match and "
                                   "If-None-Match, each with \"VERSION\" or *");
  if (!refusal.has_value()) {
    refusal = ReadTags(request, "If-Match", false, &conditions->match);
  }
  if (!refusal.has_value()) {
    refusal = ReadTags(request, "If-None-Match", true, &conditions->none_match);
  }
  return refusal;
}

std::optional<HttpRefusal> WriteCondition(const HttpRequest& request,
                                          const HttpTarget& target,
                                          HttpWriteCondition* condition) {
  *condition = {};
  if (auto refusal = RefuseUnsupported(
          request, "written",
          "the conditions of a write are If-Match: \"VERSION\", If-Match: * "
          "and If-None-Match: *")) {
    return refusal;
  }
  if (const std::string* cas = target.Parameter("cas")) {
    const auto of_cas = ConditionOfCas(*cas);
    if (!of_cas.has_value()) {
      return HttpRefusal{"BAD_CAS",
                         "cas must be a version as in X-Quorate-Version, or 0 "
                         "for a key that must not exist"};
    }
    *condition = *of_cas;
  }
  if (target.Parameter("nx") != nullptr) {
    const HttpWriteCondition absent = {Kind::kAbsent, {}, "nx"};
    if (auto refusal = Add(absent, condition)) return refusal;
  }
  std::optional<HttpTags> tags;
  if (auto refusal = ReadTags(request, "If-Match", false, &tags)) {
    return refusal;
  }
  if (tags.has_value()) {
    if (tags->versions.size() > 1) {
      return NotSupported("If-Match",
                          "of a write names one version: several are not "
                          "supported");
    }
    HttpWriteCondition match = {Kind::kPresent, {}, "If-Match"};
    if (!tags->any) {
      match.kind = Kind::kVersion;
      match.version =
          tags->versions.empty() ? kNoVersion : tags->versions.front();
    }
    if (auto refusal = Add(match, condition)) return refusal;
  }
  tags.reset();
  if (auto refusal = ReadTags(request, "If-None-Match", true, &tags)) {
    return refusal;
  }
  if (!tags.has_value()) return std::nullopt;
  if (!tags->any) {
    return NotSupported("If-None-Match",
                        "of a write is *: versions are not supported there");
  }
  return Add({Kind::kAbsent, {}, "If-None-Match"}, condition);
}

std::optional<HttpRefusal> RefuseConditions(const HttpRequest& request,
                                            std::string_view advice) {
  for (const auto& [name, value] : request.headers) {
    if (name.starts_with("if-") || name == "if" || name == "range" ||
        name == "content-range") {
      return NotSupported(name, Concat("is not supported here; ", advice));
    }
  }
  return std::nullopt;
}

}  // namespace quorate::node
