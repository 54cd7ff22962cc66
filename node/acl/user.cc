#include "node/acl/user.h"

#include <algorithm>
#include <utility>

#include "node/acl/sha256.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

constexpr std::string_view kRuleSyntax = "Syntax error";
constexpr std::string_view kBadDigest =
    "The password hash must be exactly 64 characters and contain only "
    "lowercase hexadecimal characters";
constexpr std::string_view kNoSuchPassword =
    "The password you are trying to remove from the user does not exist";
constexpr size_t kDigestBytes = 64;

bool IsDigest(std::string_view text) {
  return text.size() == kDigestBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (end > 0) words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

// Joins the words of each selector: "(+get", "~a)" are one rule. Returns an
// error, or nothing.
std::string MergeSelectors(Arguments rules, std::vector<std::string>* merged) {
  std::string selector;
  std::string_view begin;
  for (const std::string_view rule : rules) {
    const bool ends = rule.ends_with(')');
    if (!begin.empty()) {
      Append(&selector, ' ', rule);
      if (!ends) continue;
      begin = {};
      merged->push_back(std::exchange(selector, {}));
    } else if (rule.starts_with('(') && !ends) {
      begin = rule;
      selector = rule;
    } else {
      merged->emplace_back(rule);
    }
  }
  if (begin.empty()) return {};
  return Concat("Unmatched parenthesis in acl selector starting at '", begin,
                "'.");
}

}  // namespace

AclUser AclUser::Open() {
  AclUser user{std::string(kDefaultUser)};
  user.ApplyText("on nopass role:operator ~* &* +@all");
  return user;
}

std::string AclUser::Apply(Arguments rules) {
  std::vector<std::string> merged;
  std::string error = MergeSelectors(rules, &merged);
  if (!error.empty()) return error;
  AclUser changed = *this;
  for (const std::string& rule : merged) {
    const std::string_view why = changed.ApplyOne(rule);
    if (!why.empty()) {
      return Concat("Error in ACL SETUSER modifier '", rule, "': ", why);
    }
  }
  changed.unrestricted_ = changed.root_.allows_all();
  *this = std::move(changed);
  return {};
}

std::string AclUser::ApplyText(std::string_view rules) {
  return Apply(Words(rules));
}

std::string_view AclUser::ApplyOne(std::string_view rule) {
  if (rule.empty() || ApplyFlag(rule)) return {};
  switch (rule[0]) {
    case '>':
    case '<':
    case '#':
    case '!':
      return ApplyPassword(rule);
    case '(':
      if (rule.ends_with(')')) {
        return AddSelector(rule.substr(1, rule.size() - 2));
      }
      break;
    default:
      break;
  }
  return root_.Apply(rule);
}

bool AclUser::ApplyFlag(std::string_view rule) {
  const auto is = [&](std::string_view name) {
    return EqualsIgnoreCase(rule, name);
  };
  if (is("on") || is("off")) {
    enabled_ = is("on");
  } else if (is("nopass") || is("resetpass")) {
    no_password_ = is("nopass");
    passwords_.clear();
  } else if (is("certificate") || is("nocertificate")) {
    certificate_ = is("certificate");
  } else if (is("role:none")) {
    role_ = AdminRole::kNone;
  } else if (is("role:viewer")) {
    role_ = AdminRole::kViewer;
  } else if (is("role:operator")) {
    role_ = AdminRole::kOperator;
  } else if (is("skip-sanitize-payload")) {
    sanitize_ = Sanitize::kSkip;
  } else if (is("sanitize-payload")) {
    sanitize_ = Sanitize::kSanitize;
  } else if (is("clearselectors")) {
    selectors_.clear();
  } else if (is("reset")) {
    Reset();
  } else {
    return false;
  }
  return true;
}

void AclUser::Reset() {
  *this = AclUser(std::move(name_));
  sanitize_ = Sanitize::kSanitize;
}

std::string_view AclUser::ApplyPassword(std::string_view rule) {
  const bool plain = rule[0] == '>' || rule[0] == '<';
  const std::string digest =
      plain ? Sha256Hex(rule.substr(1)) : std::string(rule.substr(1));
  const auto known = std::find(passwords_.begin(), passwords_.end(), digest);
  if (rule[0] == '<' || rule[0] == '!') {
    if (!plain && !IsDigest(digest)) return kBadDigest;
    if (known == passwords_.end()) return kNoSuchPassword;
    passwords_.erase(known);
    return {};
  }
  if (!plain && !IsDigest(digest)) return kBadDigest;
  if (known == passwords_.end()) passwords_.push_back(digest);
  no_password_ = false;
  return {};
}

std::string_view AclUser::AddSelector(std::string_view inner) {
  AclSelector selector;
  for (const std::string_view rule : Words(inner)) {
    const std::string_view why = selector.Apply(rule);
    if (!why.empty()) return why;
  }
  selectors_.push_back(std::move(selector));
  return {};
}

bool AclUser::AcceptsPassword(std::string_view password) const {
  if (!enabled_) return false;
  if (no_password_) return true;
  const std::string digest = Sha256Hex(password);
  bool accepted = false;
  for (const std::string& known : passwords_) {
    accepted |= EqualsInConstantTime(known, digest);
  }
  return accepted;
}

AclDenial AclUser::CheckSelectors(const CommandRow& row,
                                  Arguments request) const {
  const AclDenial denial = CheckRights(row, request);
  const Arguments wrapped = WrappedRequest(row, request);
  if (!denial.allowed() || wrapped.empty()) return denial;
  const CommandLookup inner = LookUp(wrapped);
  // One that does not exist is refused elsewhere.
  if (inner.spec == nullptr) return denial;
  AclDenial of_wrapped = CheckSelectors(*inner.spec, wrapped);
  of_wrapped.argument += request.size() - wrapped.size();
  return of_wrapped;
}

AclDenial AclUser::CheckRights(const CommandRow& row, Arguments request) const {
  AclDenial closest = root_.Check(row, request);
  for (const AclSelector& selector : selectors_) {
    if (closest.allowed()) break;
    const AclDenial denial = selector.Check(row, request);
    const bool closer =
        denial.kind > closest.kind ||
        (denial.kind == closest.kind && denial.argument > closest.argument);
    if (denial.allowed() || closer) closest = denial;
  }
  return closest;
}

std::vector<std::string_view> AclUser::Flags() const {
  std::vector<std::string_view> flags = {enabled_ ? "on" : "off"};
  if (no_password_) flags.push_back("nopass");
  if (sanitize_ == Sanitize::kSkip) flags.push_back("skip-sanitize-payload");
  if (sanitize_ == Sanitize::kSanitize) flags.push_back("sanitize-payload");
  if (certificate_) flags.push_back("certificate");
  if (role_ == AdminRole::kViewer) flags.push_back("role:viewer");
  if (role_ == AdminRole::kOperator) flags.push_back("role:operator");
  return flags;
}

std::string AclUser::Rules() const {
  std::string text;
  for (const std::string_view flag : Flags()) Append(&text, flag, ' ');
  for (const std::string& digest : passwords_) Append(&text, '#', digest, ' ');
  text += root_.Describe();
  for (const AclSelector& selector : selectors_) {
    Append(&text, " (", selector.Describe(), ')');
  }
  return text;
}

std::string_view UserNameError(std::string_view name) {
  const bool plain = std::none_of(name.begin(), name.end(), [](char c) {
    return c == ' ' || c == '\0' || (c >= '\t' && c <= '\r');
  });
  if (!plain) return "Usernames can't contain spaces or null characters";
  if (name.empty() || name.size() > AclUser::kNameBytesMax) {
    return "a user name has 1 to 64 bytes";
  }
  return {};
}

std::string DenialText(const CommandRow& row, Arguments request,
                       const AclDenial& denial, bool names_key) {
  if (denial.kind == AclDenial::Kind::kCommand) {
    const Arguments wrapped = WrappedRequest(row, request);
    const bool inner = denial.argument > 0 && !wrapped.empty();
    const std::string_view name = inner ? LookUp(wrapped).spec->name : row.name;
    return Concat("this user has no permissions to run the '", name,
                  "' command");
  }
  if (names_key) {
    return Concat("this user has no permissions to access the '",
                  request[denial.argument], "' key");
  }
  return "this user has no permissions to access one of the keys used as "
         "arguments";
}

}  // namespace quorate::node
