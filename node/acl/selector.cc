#include "node/acl/selector.h"

#include <algorithm>
#include <utility>

#include "node/base/text.h"

namespace quorate::node {
namespace {

constexpr std::string_view kUnknownName =
    "Unknown command or category name in ACL";
constexpr std::string_view kSyntaxError = "Syntax error";
constexpr std::string_view kOfSubcommand =
    "Allowing first-arg of a subcommand is not supported";
constexpr std::string_view kAfterAllKeys =
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid "
    "and does not have any effect. Try 'resetkeys' to start with an empty list "
    "of patterns";
constexpr std::string_view kAfterAllChannels =
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not "
    "valid and does not have any effect. Try 'resetchannels' to start with an "
    "empty list of channels";

constexpr std::string_view kCategories[] = {
    "keyspace", "read",     "write",     "set",        "sortedset",
    "list",     "hash",     "string",    "bitmap",     "hyperloglog",
    "geo",      "stream",   "pubsub",    "admin",      "fast",
    "slow",     "blocking", "dangerous", "connection", "transaction",
    "scripting"};

bool HasSpaces(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return c == ' ' || c == '\0' || (c >= '\t' && c <= '\r');
  });
}

bool IsOneOf(std::string_view rule, std::string_view a, std::string_view b) {
  return EqualsIgnoreCase(rule, a) || EqualsIgnoreCase(rule, b);
}

}  // namespace

absl::Span<const std::string_view> AclCategories() { return kCategories; }

bool IsInCategory(const CommandRow& row, std::string_view category) {
  const std::vector<std::string_view> names = CategoriesOf(row);
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    return EqualsIgnoreCase(name.substr(1), category);
  });
}

std::string_view AclSelector::Apply(std::string_view rule) {
  if (IsOneOf(rule, "allkeys", "~*")) {
    all_keys_ = true;
    keys_.clear();
  } else if (EqualsIgnoreCase(rule, "resetkeys")) {
    all_keys_ = false;
    keys_.clear();
  } else if (IsOneOf(rule, "allchannels", "&*")) {
    all_channels_ = true;
    channels_.clear();
  } else if (EqualsIgnoreCase(rule, "resetchannels")) {
    all_channels_ = false;
    channels_.clear();
  } else if (IsOneOf(rule, "allcommands", "+@all")) {
    SetAllCommands(true);
  } else if (IsOneOf(rule, "nocommands", "-@all")) {
    SetAllCommands(false);
  } else if (rule.starts_with('~') || rule.starts_with('%')) {
    return ApplyKeys(rule);
  } else if (rule.starts_with('&')) {
    return ApplyChannels(rule.substr(1));
  } else if (rule.starts_with("+@") || rule.starts_with("-@")) {
    return ApplyCategory(rule.substr(2), rule[0] == '+');
  } else if (rule.starts_with('+') || rule.starts_with('-')) {
    return ApplyCommand(rule.substr(1), rule[0] == '+');
  } else {
    return kSyntaxError;
  }
  return {};
}

void AclSelector::SetAllCommands(bool allow) {
  all_commands_ = begins_with_all_ = allow;
  allowed_.SetAll(allow);
  first_arguments_.clear();
  rules_.clear();
}

void AclSelector::SetCommand(const CommandRow& row, bool allow) {
  allowed_.Set(row.id, allow);
  if (!allow) all_commands_ = false;
  first_arguments_.erase(row.id);
  for (const CommandRow& subcommand : SubcommandsOf(row)) {
    allowed_.Set(subcommand.id, allow);
  }
}

// Drops the rules that this one overrules: its own name, and those of its
// subcommands.
void AclSelector::NoteRule(std::string_view name, bool allow) {
  const std::string lower = Lower(name);
  std::erase_if(rules_, [&](const std::string& rule) {
    const std::string_view rest = std::string_view(rule).substr(1);
    return rest == lower || rest.starts_with(Concat(lower, '|'));
  });
  rules_.push_back(Concat(allow ? '+' : '-', lower));
}

std::string_view AclSelector::ApplyCommand(std::string_view name, bool allow) {
  const CommandRow* const row = FindCommand(name);
  if (row == nullptr) {
    const bool has_argument = name.find('|') != std::string_view::npos;
    return allow && has_argument ? ApplyFirstArgument(name) : kUnknownName;
  }
  SetCommand(*row, allow);
  NoteRule(row->name, allow);
  return {};
}

// Requires: `name` has a '|', and is no row.
std::string_view AclSelector::ApplyFirstArgument(std::string_view name) {
  const size_t bar = name.rfind('|');
  const std::string_view argument = name.substr(bar + 1);
  const CommandRow* const row = FindCommand(name.substr(0, bar));
  if (row == nullptr) return kUnknownName;
  if (row->name.find('|') != std::string_view::npos) return kOfSubcommand;
  if (argument.empty() || HasSpaces(argument)) return kSyntaxError;
  if (HasSubcommands(*row)) return kUnknownName;
  std::vector<std::string>& known = first_arguments_[row->id];
  if (std::find(known.begin(), known.end(), Lower(argument)) == known.end()) {
    known.push_back(Lower(argument));
  }
  NoteRule(name, true);
  return {};
}

std::string_view AclSelector::ApplyCategory(std::string_view category,
                                            bool allow) {
  const bool known = std::any_of(
      std::begin(kCategories), std::end(kCategories),
      [&](std::string_view one) { return EqualsIgnoreCase(one, category); });
  if (!known) return kUnknownName;
  for (const CommandRow& row : AllCommands()) {
    if (IsInCategory(row, category)) SetCommand(row, allow);
  }
  NoteRule(Concat('@', category), allow);
  return {};
}

std::string_view AclSelector::ApplyKeys(std::string_view rule) {
  if (all_keys_) return kAfterAllKeys;
  KeyPattern fresh;
  size_t at = 1;
  if (rule[0] == '~') {
    fresh.reads = fresh.writes = true;
  } else {
    for (; at < rule.size() && rule[at] != '~'; ++at) {
      bool& right = LowerChar(rule[at]) == 'r' ? fresh.reads : fresh.writes;
      const bool valid =
          LowerChar(rule[at]) == 'r' || LowerChar(rule[at]) == 'w';
      if (!valid || right) return kSyntaxError;
      right = true;
    }
    if (at == rule.size() || (!fresh.reads && !fresh.writes)) {
      return kSyntaxError;
    }
    ++at;
  }
  fresh.text = std::string(rule.substr(at));
  if (HasSpaces(fresh.text)) return kSyntaxError;
  for (KeyPattern& known : keys_) {
    if (known.text != fresh.text) continue;
    known.reads |= fresh.reads;
    known.writes |= fresh.writes;
    return {};
  }
  fresh.is_prefix =
      fresh.text.find_first_of("*?[]\\") + 1 == fresh.text.size() &&
      fresh.text.ends_with('*');
  fresh.glob = Glob(fresh.text);
  keys_.push_back(std::move(fresh));
  return {};
}

std::string_view AclSelector::ApplyChannels(std::string_view pattern) {
  if (all_channels_) return kAfterAllChannels;
  if (HasSpaces(pattern)) return kSyntaxError;
  if (std::find(channels_.begin(), channels_.end(), pattern) ==
      channels_.end()) {
    channels_.emplace_back(pattern);
  }
  return {};
}

bool AclSelector::AllowsCommand(const CommandRow& row,
                                Arguments request) const {
  if (all_commands_ || allowed_.Has(row.id) || row.Has(kNoAuth)) return true;
  const auto found = first_arguments_.find(row.id);
  if (found == first_arguments_.end() || request.size() < 2) return false;
  return std::any_of(found->second.begin(), found->second.end(),
                     [&](const std::string& argument) {
                       return EqualsIgnoreCase(argument, request[1]);
                     });
}

bool AclSelector::AllowsKey(KeyUse use, std::string_view key) const {
  return std::any_of(
      keys_.begin(), keys_.end(), [&](const KeyPattern& pattern) {
        if ((use.reads && !pattern.reads) || (use.writes && !pattern.writes)) {
          return false;
        }
        if (!pattern.is_prefix) return pattern.glob.Matches(key);
        const std::string_view text = pattern.text;
        return key.starts_with(text.substr(0, text.size() - 1));
      });
}

AclDenial AclSelector::Check(const CommandRow& row, Arguments request) const {
  using Kind = AclDenial::Kind;
  if (!AllowsCommand(row, request)) return {.kind = Kind::kCommand};
  if (all_keys_) return {};
  const KeyPositions keys = FindKeys(row, request);
  if (keys.count() == 0) return {};
  const KeyUse use = KeyUseOf(row, request);
  for (size_t at = keys.first; at <= keys.last; at += keys.step) {
    if (!AllowsKey(use, request[at]))
      return {.kind = Kind::kKey, .argument = at};
  }
  return {};
}

std::string AclSelector::DescribeKeys() const {
  if (all_keys_) return "~*";
  std::string text;
  for (const KeyPattern& pattern : keys_) {
    std::string_view rights = "~";
    if (!pattern.writes) rights = "%R~";
    if (!pattern.reads) rights = "%W~";
    Append(&text, text.empty() ? "" : " ", rights, pattern.text);
  }
  return text;
}

std::string AclSelector::DescribeChannels() const {
  if (all_channels_) return "&*";
  std::string text;
  for (const std::string& pattern : channels_) {
    Append(&text, text.empty() ? "&" : " &", pattern);
  }
  return text;
}

std::string AclSelector::DescribeCommands() const {
  std::string text = begins_with_all_ ? "+@all" : "-@all";
  for (const std::string& rule : rules_) Append(&text, ' ', rule);
  return text;
}

std::string AclSelector::Describe() const {
  std::string text = DescribeKeys();
  if (!text.empty()) text += ' ';
  if (!all_channels_) text += "resetchannels ";
  const std::string channels = DescribeChannels();
  if (!channels.empty()) Append(&text, channels, ' ');
  return text += DescribeCommands();
}

}  // namespace quorate::node
