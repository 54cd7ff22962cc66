// node/commands/command_table.h: every RESP command of this node: arity, flags,
// key positions, and the properties that COMMAND reports.
//
// The properties are those of Redis 7.0; clients use them to route and to check
// requests. The table is constant; a lookup does not allocate.
#ifndef QUORATE_NODE_COMMANDS_COMMAND_TABLE_H_
#define QUORATE_NODE_COMMANDS_COMMAND_TABLE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "node/protocol/resp_writer.h"

namespace quorate::node {

// One id for each row, in the order of the table.
enum class CommandId : uint8_t {
  kGet,
  kSet,
  kSetnx,
  kSetex,
  kPsetex,
  kGetset,
  kGetdel,
  kGetex,
  kMget,
  kMset,
  kMsetnx,
  kAppend,
  kStrlen,
  kGetrange,
  kSubstr,
  kSetrange,
  kGetbit,
  kSetbit,
  kIncr,
  kDecr,
  kIncrby,
  kDecrby,
  kIncrbyfloat,
  kDel,
  kUnlink,
  kExists,
  kTouch,
  kType,
  kExpire,
  kPexpire,
  kExpireat,
  kPexpireat,
  kTtl,
  kPttl,
  kExpiretime,
  kPexpiretime,
  kPersist,
  kKeys,
  kScan,
  kDbsize,
  kRandomkey,
  kFlushall,
  kFlushdb,
  kObject,
  kObjectEncoding,
  kObjectRefcount,
  kObjectHelp,
  kMemory,
  kMemoryUsage,
  kMemoryHelp,
  kMulti,
  kExec,
  kDiscard,
  kWatch,
  kUnwatch,
  kPing,
  kEcho,
  kHello,
  kAuth,
  kSelect,
  kQuit,
  kReset,
  kClient,
  kClientId,
  kClientSetname,
  kClientGetname,
  kClientSetinfo,
  kClientInfo,
  kClientList,
  kClientNoEvict,
  kClientNoTouch,
  kClientReply,
  kClientKill,
  kClientTracking,
  kClientTrackinginfo,
  kClientCaching,
  kClientGetredir,
  kClientPause,
  kClientUnpause,
  kClientUnblock,
  kClientHelp,
  kCommand,
  kCommandCount,
  kCommandInfo,
  kCommandDocs,
  kCommandGetkeys,
  kCommandGetkeysandflags,
  kCommandList,
  kCommandHelp,
  kReadonly,
  kReadwrite,
  kAsking,
  kInfo,
  kConfig,
  kConfigGet,
  kConfigSet,
  kConfigResetstat,
  kConfigRewrite,
  kConfigHelp,
  kTime,
  kRole,
  kWait,
  kLastsave,
  kCluster,
  kClusterSlots,
  kClusterShards,
  kClusterNodes,
  kClusterInfo,
  kClusterMyid,
  kClusterMyshardid,
  kClusterKeyslot,
  kClusterCountkeysinslot,
  kClusterGetkeysinslot,
  kClusterReplicas,
  kClusterSlaves,
  kClusterLinks,
  kClusterHelp,
  kQuorateSession,
  kQuorateConsistency,
  kQuorateDo,
  kQuorateSlots,
};

// Bits of CommandRow::flags, named as COMMAND reports them.
enum CommandFlag : uint32_t {
  kWrite = 1 << 0,
  kReadonly = 1 << 1,
  kDenyOom = 1 << 2,
  kAdmin = 1 << 3,
  kNoScript = 1 << 4,
  kLoading = 1 << 5,
  kStale = 1 << 6,
  kFast = 1 << 7,
  kNoAuth = 1 << 8,
  kNoMulti = 1 << 9,
  kSkipSlowlog = 1 << 10,
  kMovableKeys = 1 << 11,
  kAllowBusy = 1 << 12,
};

// Bits of CommandRow::categories; @read, @write, @fast and @slow follow from
// the flags.
enum CommandCategory : uint32_t {
  kKeyspace = 1 << 0,
  kStrings = 1 << 1,
  kConnections = 1 << 2,
  kTransaction = 1 << 3,
  kDangerous = 1 << 4,
  kAdministration = 1 << 5,
  kBitmap = 1 << 6,
};

// The positions of a command's keys.
struct KeyRange {
  int8_t first = 0;  // 0: no keys.
  int8_t last = 0;   // Inclusive; a negative position counts from the end.
  int8_t step = 0;
  std::string_view flags = "";  // The use of the keys, separated by commas.
};

struct CommandRow {
  std::string_view name;  // Lower case; subcommands as "client|id".
  CommandId id;
  // The number of arguments, including the command's name and subcommand.
  // Negative: at least that many.
  int8_t arity;
  uint32_t flags = 0;
  KeyRange keys;
  std::string_view group;
  uint32_t categories = 0;
  std::string_view since;
  std::string_view summary;
  std::string_view tips = "";  // Separated by spaces.

  bool Has(CommandFlag flag) const { return (flags & flag) != 0; }
  bool AcceptsCount(size_t arguments) const {
    return arity >= 0 ? arguments == static_cast<size_t>(arity)
                      : arguments >= static_cast<size_t>(-arity);
  }
};

using Arguments = absl::Span<const std::string_view>;

// All rows; the subcommands of a command follow it.
absl::Span<const CommandRow> AllCommands();

// The row of a name in any case ("GET", "client|id"), or null.
const CommandRow* FindCommand(std::string_view name);

// True if `spec` has subcommands: CLIENT, CONFIG and so on.
bool HasSubcommands(const CommandRow& spec);

// The row of a request (of the subcommand, for commands with subcommands), or
// the error that Redis gives, without a leading '-'.
struct CommandLookup {
  const CommandRow* spec = nullptr;
  std::string error;
};
CommandLookup LookUp(Arguments request);

// Positions of the keys in `request`. Requires:
// spec.AcceptsCount(request.size()).
struct KeyPositions {
  size_t first = 0;  // 0: no keys.
  size_t last = 0;   // Inclusive.
  size_t step = 1;

  size_t count() const { return first == 0 ? 0 : (last - first) / step + 1; }
};
KeyPositions FindKeys(const CommandRow& spec, Arguments request);

// The replies of COMMAND, COMMAND INFO, COMMAND DOCS, COMMAND LIST, COMMAND
// GETKEYS and COMMAND GETKEYSANDFLAGS. `request` is the whole command.
void WriteCommandTable(RespWriter& reply);
void WriteCommandInfo(Arguments request, RespWriter& reply);
void WriteCommandDocs(Arguments request, RespWriter& reply);
void WriteCommandList(Arguments request, RespWriter& reply);
void WriteCommandGetKeys(Arguments request, RespWriter& reply);

// The number of commands without their subcommands.
size_t CommandCount();

}  // namespace quorate::node

#endif  // QUORATE_NODE_COMMANDS_COMMAND_TABLE_H_
