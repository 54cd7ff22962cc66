#include "node/commands/command_table.h"

#include <algorithm>
#include <array>

#include "env/check.h"
#include "node/base/text.h"
#include "node/commands/command_table_data.h"
#include "node/commands/glob.h"

namespace quorate::node {
namespace {

using command_rows::kCommands;

constexpr size_t kCommandCount = std::size(kCommands);
constexpr size_t kBuckets = 512;
static_assert(kCommandCount < kBuckets / 2 && kCommandCount < 256);

constexpr uint32_t NameHash(std::string_view name) {
  uint32_t hash = 2166136261u;
  for (const char c : name) {
    hash = (hash ^ static_cast<uint8_t>(LowerChar(c))) * 16777619u;
  }
  return hash ^ (hash >> 15);
}

// A hash index over the names with open addressing; 255 marks an empty bucket.
// It is computed at compile time.
constexpr std::array<uint8_t, kBuckets> MakeIndex() {
  std::array<uint8_t, kBuckets> index{};
  for (auto& bucket : index) bucket = 255;
  for (size_t i = 0; i < kCommandCount; ++i) {
    size_t bucket = NameHash(kCommands[i].name) % kBuckets;
    while (index[bucket] != 255) bucket = (bucket + 1) % kBuckets;
    index[bucket] = static_cast<uint8_t>(i);
  }
  return index;
}
constexpr std::array<uint8_t, kBuckets> kIndex = MakeIndex();

constexpr bool RowsFollowIds() {
  for (size_t i = 0; i < kCommandCount; ++i) {
    if (static_cast<size_t>(kCommands[i].id) != i) return false;
  }
  return true;
}
static_assert(RowsFollowIds());

// The most names of COMMAND INFO and of COMMAND DOCS: there are fewer rows.
constexpr size_t kCommandNamesMax = 128;
static_assert(kCommandCount <= kCommandNamesMax);

// The most arguments of a command without keys, with its name. It is handled
// in one turn.
constexpr size_t kKeylessArgumentsMax = 8'192;

// The position of the command that QUORATE.DO wraps.
constexpr size_t kWrappedAt = 4;

// By CommandId.
constexpr std::array<bool, kCommandCount> MakeIsSubcommand() {
  std::array<bool, kCommandCount> is_subcommand = {};
  for (size_t i = 0; i < kCommandCount; ++i) {
    is_subcommand[i] = kCommands[i].name.find('|') != std::string_view::npos;
  }
  return is_subcommand;
}
constexpr std::array<bool, kCommandCount> kIsSubcommand = MakeIsSubcommand();

bool IsSubcommand(const CommandRow& spec) {
  return kIsSubcommand[static_cast<size_t>(spec.id)];
}

std::string WrongArity(const CommandRow& spec) {
  return Concat("ERR wrong number of arguments for '", spec.name, "' command");
}

// The part of `bytes` that a C string function would print: up to the first
// zero byte.
std::string_view AsText(std::string_view bytes) {
  return bytes.substr(0, bytes.find('\0'));
}

std::string TooManyNames() {
  return Concat("ERR COMMAND INFO and COMMAND DOCS take at most ",
                kCommandNamesMax, " names");
}

std::string UnknownCommand(Arguments request) {
  std::string arguments;
  for (size_t i = 1; i < request.size() && arguments.size() < 128; ++i) {
    Append(&arguments, '\'',
           AsText(request[i]).substr(0, 128 - arguments.size()), "' ");
  }
  return Concat("ERR unknown command '", AsText(request[0]).substr(0, 128),
                "', with args beginning with: ", arguments);
}

std::string Upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - ('a' - 'A'));
  }
  return upper;
}

struct Named {
  uint32_t bit;
  std::string_view name;
};

constexpr Named kFlagNames[] = {
    {kWrite, "write"},
    {kReadonly, "readonly"},
    {kDenyOom, "denyoom"},
    {kAdmin, "admin"},
    {kNoScript, "noscript"},
    {kLoading, "loading"},
    {kStale, "stale"},
    {kSkipSlowlog, "skip_slowlog"},
    {kFast, "fast"},
    {kNoAuth, "no_auth"},
    {kAllowBusy, "allow_busy"},
    {kMovableKeys, "movablekeys"},
    {kNoMulti, "no_multi"},
};

constexpr Named kCategoryNames[] = {
    {kKeyspace, "@keyspace"},      {kStrings, "@string"},
    {kAdministration, "@admin"},   {kDangerous, "@dangerous"},
    {kConnections, "@connection"}, {kTransaction, "@transaction"},
    {kBitmap, "@bitmap"},
};

void WriteNames(const std::vector<std::string_view>& names, bool as_set,
                bool simple, RespWriter& reply) {
  as_set ? reply.Set(names.size()) : reply.Array(names.size());
  for (const std::string_view name : names) {
    simple ? reply.Simple(name) : reply.Bulk(name);
  }
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    const size_t end = text.find(separator);
    pieces.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return pieces;
}

std::vector<std::string_view> CategoriesOf(const CommandRow& spec) {
  std::vector<std::string_view> names;
  for (const Named& category : kCategoryNames) {
    if ((spec.categories & category.bit) != 0) names.push_back(category.name);
  }
  if (spec.Has(kWrite)) names.push_back("@write");
  if (spec.Has(kReadonly)) names.push_back("@read");
  names.push_back(spec.Has(kFast) ? "@fast" : "@slow");
  return names;
}

void WriteKeySpecs(const CommandRow& spec, RespWriter& reply) {
  if (spec.keys.first == 0) {
    reply.Array(0);
    return;
  }
  reply.Array(1);
  reply.Map(3);
  reply.Bulk("flags");
  WriteNames(Split(spec.keys.flags, ','), true, true, reply);
  reply.Bulk("begin_search");
  reply.Map(2);
  reply.Bulk("type");
  reply.Bulk("index");
  reply.Bulk("spec");
  reply.Map(1);
  reply.Bulk("index");
  reply.Integer(spec.keys.first);
  reply.Bulk("find_keys");
  reply.Map(2);
  reply.Bulk("type");
  reply.Bulk("range");
  reply.Bulk("spec");
  reply.Map(3);
  reply.Bulk("lastkey");
  reply.Integer(spec.keys.last < 0 ? spec.keys.last
                                   : spec.keys.last - spec.keys.first);
  reply.Bulk("keystep");
  reply.Integer(spec.keys.step);
  reply.Bulk("limit");
  reply.Integer(0);
}

// The rows of the subcommands of `spec`. They follow it in the table.
absl::Span<const CommandRow> SubcommandsOf(const CommandRow& spec) {
  const size_t begin = static_cast<size_t>(spec.id) + 1;
  size_t end = begin;
  if (!IsSubcommand(spec)) {
    while (end < kCommandCount && IsSubcommand(kCommands[end])) ++end;
  }
  return AllCommands().subspan(begin, end - begin);
}

void WriteInfo(const CommandRow& spec, RespWriter& reply) {
  reply.Array(10);
  reply.Bulk(spec.name);
  reply.Integer(spec.arity);
  std::vector<std::string_view> flags;
  for (const Named& flag : kFlagNames) {
    if ((spec.flags & flag.bit) != 0) flags.push_back(flag.name);
  }
  WriteNames(flags, true, true, reply);
  reply.Integer(spec.keys.first);
  reply.Integer(spec.keys.last);
  reply.Integer(spec.keys.step);
  WriteNames(CategoriesOf(spec), true, true, reply);
  WriteNames(Split(spec.tips, ' '), false, false, reply);
  WriteKeySpecs(spec, reply);
  const auto subcommands = SubcommandsOf(spec);
  reply.Array(subcommands.size());
  for (const CommandRow& subcommand : subcommands) {
    WriteInfo(subcommand, reply);
  }
}

void WriteDocs(const CommandRow& spec, RespWriter& reply) {
  const auto subcommands = SubcommandsOf(spec);
  reply.Bulk(spec.name);
  reply.Map(subcommands.empty() ? 3 : 4);
  reply.Bulk("summary");
  reply.Bulk(spec.summary);
  reply.Bulk("since");
  reply.Bulk(spec.since);
  reply.Bulk("group");
  reply.Bulk(spec.group);
  if (subcommands.empty()) return;
  reply.Bulk("subcommands");
  reply.Map(subcommands.size());
  for (const CommandRow& subcommand : subcommands) {
    WriteDocs(subcommand, reply);
  }
}

}  // namespace

absl::Span<const CommandRow> AllCommands() { return kCommands; }

const CommandRow* FindCommand(std::string_view name) {
  size_t bucket = NameHash(name) % kBuckets;
  while (kIndex[bucket] != 255) {
    const CommandRow& spec = kCommands[kIndex[bucket]];
    if (EqualsIgnoreCase(spec.name, name)) return &spec;
    bucket = (bucket + 1) % kBuckets;
  }
  return nullptr;
}

bool HasSubcommands(const CommandRow& spec) {
  return !SubcommandsOf(spec).empty();
}

CommandLookup LookUp(Arguments request) {
  CHECK(!request.empty());
  const CommandRow* spec = FindCommand(request[0]);
  if (spec == nullptr || IsSubcommand(*spec)) {
    return {nullptr, UnknownCommand(request)};
  }
  if (request.size() > 1 && HasSubcommands(*spec)) {
    const CommandRow* subcommand =
        FindCommand(Concat(spec->name, '|', request[1].substr(0, 64)));
    if (subcommand == nullptr) {
      return {nullptr,
              Concat("ERR unknown subcommand '", request[1].substr(0, 128),
                     "'. Try ", Upper(spec->name), " HELP.")};
    }
    spec = subcommand;
  }
  if (!spec->AcceptsCount(request.size())) return {nullptr, WrongArity(*spec)};
  if (spec->keys.first == 0 && !spec->Has(kMovableKeys) &&
      request.size() > kKeylessArgumentsMax) {
    return {nullptr, Concat("ERR '", spec->name, "' takes at most ",
                            kKeylessArgumentsMax, " arguments")};
  }
  return {spec, {}};
}

KeyPositions FindKeys(const CommandRow& spec, Arguments request) {
  if (spec.id == CommandId::kQuorateDo) {
    const Arguments inner = request.subspan(kWrappedAt);
    const CommandLookup lookup = LookUp(inner);
    if (lookup.spec == nullptr || lookup.spec->keys.first == 0) return {};
    KeyPositions keys = FindKeys(*lookup.spec, inner);
    keys.first += kWrappedAt;
    keys.last += kWrappedAt;
    return keys;
  }
  if (spec.keys.first == 0) return {};
  KeyPositions keys;
  keys.first = static_cast<size_t>(spec.keys.first);
  keys.step = static_cast<size_t>(spec.keys.step);
  keys.last = spec.keys.last >= 0
                  ? static_cast<size_t>(spec.keys.last)
                  : request.size() - static_cast<size_t>(-spec.keys.last);
  return keys;
}

size_t CommandCount() {
  size_t count = 0;
  for (const CommandRow& spec : kCommands) {
    if (!IsSubcommand(spec)) ++count;
  }
  return count;
}

void WriteCommandTable(RespWriter& reply) {
  reply.Array(CommandCount());
  for (const CommandRow& spec : kCommands) {
    if (!IsSubcommand(spec)) WriteInfo(spec, reply);
  }
}

void WriteCommandInfo(Arguments request, RespWriter& reply) {
  if (request.size() == 2) {
    WriteCommandTable(reply);
    return;
  }
  if (request.size() - 2 > kCommandNamesMax) return reply.Error(TooManyNames());
  reply.Array(request.size() - 2);
  for (const std::string_view name : request.subspan(2)) {
    const CommandRow* spec = FindCommand(name);
    if (spec == nullptr) {
      reply.Null();
    } else {
      WriteInfo(*spec, reply);
    }
  }
}

void WriteCommandDocs(Arguments request, RespWriter& reply) {
  if (request.size() - 2 > kCommandNamesMax) return reply.Error(TooManyNames());
  std::vector<const CommandRow*> specs;
  if (request.size() == 2) {
    for (const CommandRow& spec : kCommands) {
      if (!IsSubcommand(spec)) specs.push_back(&spec);
    }
  }
  for (const std::string_view name : request.subspan(2)) {
    const CommandRow* spec = FindCommand(name);
    if (spec != nullptr) specs.push_back(spec);
  }
  reply.Map(specs.size());
  for (const CommandRow* spec : specs) WriteDocs(*spec, reply);
}

void WriteCommandList(Arguments request, RespWriter& reply) {
  std::vector<std::string_view> names;
  std::string_view filter;
  std::string_view argument;
  if (request.size() == 5 && EqualsIgnoreCase(request[2], "filterby")) {
    filter = request[3];
    argument = request[4];
  }
  const bool by_pattern = EqualsIgnoreCase(filter, "pattern");
  const bool by_category = EqualsIgnoreCase(filter, "aclcat");
  const bool by_module = EqualsIgnoreCase(filter, "module");
  if (request.size() != 2 && !by_pattern && !by_category && !by_module) {
    reply.Error("ERR syntax error");
    return;
  }
  const std::string pattern = Lower(argument);
  const std::string category = Concat('@', pattern);
  if (pattern.size() > Glob::kPatternBytesMax) return reply.Error(kLongPattern);
  const Glob glob(pattern);
  for (const CommandRow& spec : kCommands) {
    if (by_module) continue;  // There are no modules.
    if (by_pattern && !glob.Matches(spec.name)) continue;
    if (by_category) {
      bool found = false;
      for (const std::string_view name : CategoriesOf(spec)) {
        if (name == category) found = true;
      }
      if (!found) continue;
    }
    names.push_back(spec.name);
  }
  WriteNames(names, false, false, reply);
}

namespace {

// The key flags of a request with keys: those of its row, with two exceptions.
// SET reads the old value only with GET, and QUORATE.DO wraps a command.
std::string_view KeyFlagsOf(const CommandRow& spec, Arguments request) {
  if (spec.id == CommandId::kQuorateDo) {
    const Arguments wrapped = request.subspan(kWrappedAt);
    return KeyFlagsOf(*LookUp(wrapped).spec, wrapped);
  }
  if (spec.id != CommandId::kSet) return spec.keys.flags;
  const Arguments options = request.subspan(3);
  const bool reads = std::any_of(
      options.begin(), options.end(),
      [](std::string_view option) { return EqualsIgnoreCase(option, "get"); });
  return reads ? "RW,access,update" : "OW,update";
}

}  // namespace

void WriteCommandGetKeys(Arguments request, RespWriter& reply) {
  const Arguments inner = request.subspan(2);
  const CommandRow* spec = FindCommand(inner[0]);
  if (spec != nullptr && inner.size() > 1 && HasSubcommands(*spec)) {
    spec = FindCommand(Concat(spec->name, '|', inner[1].substr(0, 64)));
  }
  if (spec == nullptr) {
    reply.Error("ERR Invalid command specified");
    return;
  }
  if (spec->keys.first == 0 && !spec->Has(kMovableKeys)) {
    reply.Error("ERR The command has no key arguments");
    return;
  }
  if (!spec->AcceptsCount(inner.size())) {
    reply.Error("ERR Invalid number of arguments specified for command");
    return;
  }
  const KeyPositions keys = FindKeys(*spec, inner);
  if (keys.first == 0) {
    reply.Error("ERR Invalid arguments specified for command");
    return;
  }
  const bool with_flags = EqualsIgnoreCase(request[1], "getkeysandflags");
  const auto flags = Split(KeyFlagsOf(*spec, inner), ',');
  reply.Array((keys.last - keys.first) / keys.step + 1);
  for (size_t i = keys.first; i <= keys.last; i += keys.step) {
    if (with_flags) reply.Array(2);
    reply.Bulk(inner[i]);
    if (with_flags) WriteNames(flags, true, true, reply);
  }
}

}  // namespace quorate::node
