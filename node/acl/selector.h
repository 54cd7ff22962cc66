// node/acl/selector.h: one set of rules of a user: commands, keys and channels
// that it may use. A user has one such set, and further ones in parentheses.
//
// Rules are compiled when they are given: a check of a command looks up one
// bit. The syntax is that of ACL SETUSER in Redis 7. Rules of commands are kept
// in the order in which they were given, without those that a later one undoes,
// as in Redis 7.2.
#ifndef QUORATE_NODE_ACL_SELECTOR_H_
#define QUORATE_NODE_ACL_SELECTOR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "node/commands/command_table.h"
#include "node/commands/glob.h"

namespace quorate::node {

// The names of all categories without '@', in the order of ACL CAT. Of some
// this node has no command.
absl::Span<const std::string_view> AclCategories();
// Requires: one of AclCategories.
bool IsInCategory(const CommandRow& row, std::string_view category);

// A set of rows of the command table.
class CommandSet {
 public:
  bool Has(CommandId id) const {
    return (words_[Word(id)] >> Bit(id) & 1) != 0;
  }
  void Set(CommandId id, bool present) {
    const uint64_t mask = uint64_t{1} << Bit(id);
    words_[Word(id)] =
        present ? words_[Word(id)] | mask : words_[Word(id)] & ~mask;
  }
  void SetAll(bool present) { words_.fill(present ? ~uint64_t{0} : 0); }

 private:
  static size_t Word(CommandId id) { return static_cast<size_t>(id) / 64; }
  static size_t Bit(CommandId id) { return static_cast<size_t>(id) % 64; }

  std::array<uint64_t, 4> words_ = {};
};

// The result of a check. kNone: the command is allowed.
struct AclDenial {
  // A later value is the more precise reason: it is reported if the selectors
  // of a user refuse a command for different ones.
  enum class Kind : uint8_t { kNone = 0, kCommand = 1, kKey = 2 };
  Kind kind = Kind::kNone;
  size_t argument = 0;  // The position of the key that is not allowed.

  bool allowed() const { return kind == Kind::kNone; }
};

class AclSelector {
 public:
  // Applies one rule, such as "+get" or "%R~cache:*". Returns why it is not
  // valid, with the words of Redis; empty: it is applied.
  std::string_view Apply(std::string_view rule);

  // Requires: row.AcceptsCount(request.size()).
  AclDenial Check(const CommandRow& row, Arguments request) const;
  // Every command on every key is allowed.
  bool allows_all() const { return all_commands_ && all_keys_; }

  // In the form of ACL LIST: "~cache:* resetchannels -@all +get".
  std::string Describe() const;
  std::string DescribeCommands() const;
  std::string DescribeKeys() const;
  std::string DescribeChannels() const;

 private:
  struct KeyPattern {
    std::string text;
    bool reads = false;
    bool writes = false;
    // The text is these bytes and one '*'. Otherwise `glob` decides.
    bool is_prefix = false;
    Glob glob{""};
  };

  std::string_view ApplyCommand(std::string_view name, bool allow);
  std::string_view ApplyFirstArgument(std::string_view name);
  std::string_view ApplyCategory(std::string_view category, bool allow);
  std::string_view ApplyKeys(std::string_view rule);
  std::string_view ApplyChannels(std::string_view pattern);
  void SetAllCommands(bool allow);
  // Allows or refuses the row and its subcommands.
  void SetCommand(const CommandRow& row, bool allow);
  void NoteRule(std::string_view name, bool allow);
  bool AllowsCommand(const CommandRow& row, Arguments request) const;
  bool AllowsKey(KeyUse use, std::string_view key) const;

  bool all_commands_ = false;
  // The first rule is +@all, not -@all.
  bool begins_with_all_ = false;
  bool all_keys_ = false;
  bool all_channels_ = false;
  CommandSet allowed_;
  // Commands that are not allowed, and the first arguments with which they are.
  absl::btree_map<CommandId, std::vector<std::string>> first_arguments_;
  std::vector<KeyPattern> keys_;
  std::vector<std::string> channels_;
  // Without the rule for all commands: "+@read", "-get" and so on.
  std::vector<std::string> rules_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ACL_SELECTOR_H_
