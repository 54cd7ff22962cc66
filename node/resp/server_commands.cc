#include "node/resp/server_commands.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "env/host_port.h"
#include "env/parse_integer.h"
#include "node/base/text.h"
#include "node/base/turn_work.h"
#include "node/commands/glob.h"
#include "node/pages/info_page.h"
#include "node/resp/help_reply.h"

namespace quorate::node {
namespace {

// CONFIG GET compares each pattern with each setting in one turn.
constexpr size_t kConfigPatternsMax = 32;
// No parameter has so long a name.
constexpr size_t kConfigPatternBytesMax = 1024;

using Live = ConfigParameters::Live;

// The name that a parameter stands for. Requires: it is one of a file.
std::string& FileOf(env::CertificateFiles& files, Live live) {
  return live == Live::kCertificate ? files.certificate
         : live == Live::kKey       ? files.key
                                    : files.ca;
}

std::string ValueOf(const ConfigParameters::Parameter& parameter,
                    const Context& context) {
  if (parameter.live == Live::kNothing) return parameter.value;
  if (parameter.live == Live::kMemoryLimit) {
    return Concat(context.memory_budget.limit_bytes());
  }
  env::CertificateFiles files = context.env.certificates == nullptr
                                    ? context.config.tls.files
                                    : context.env.certificates->files();
  return FileOf(files, parameter.live);
}

void ConfigGet(const Context& context, RespAddress of, Arguments patterns,
               RespWriter& reply) {
  if (patterns.size() > kConfigPatternsMax) {
    return reply.Error(Concat("ERR CONFIG GET takes at most ",
                              kConfigPatternsMax, " patterns in this version"));
  }
  std::vector<Glob> globs;
  for (const std::string_view pattern : patterns) {
    if (pattern.size() > kConfigPatternBytesMax) {
      return reply.Error(Concat("ERR a pattern of CONFIG GET has at most ",
                                kConfigPatternBytesMax,
                                " bytes in this version"));
    }
    globs.emplace_back(Lower(pattern));
    context.work.Add(pattern.size() / TurnWork::kPatternBytesPerUnit);
  }
  const auto& all = context.parameters_of(of).all();
  context.work.Add(all.size() * globs.size() / TurnWork::kShortMatchesPerUnit);
  std::vector<const ConfigParameters::Parameter*> found;
  for (const ConfigParameters::Parameter& parameter : all) {
    if (std::ranges::any_of(globs, [&](const Glob& glob) {
          return glob.Matches(parameter.name);
        })) {
      found.push_back(&parameter);
    }
  }
  reply.Map(found.size());
  for (const ConfigParameters::Parameter* parameter : found) {
    reply.Bulk(parameter->name);
    reply.Bulk(ValueOf(*parameter, context));
  }
}

// Parses an amount as Redis does: a number, with an optional unit.
std::optional<int64_t> ParseAmount(std::string_view text) {
  constexpr std::pair<std::string_view, int64_t> kUnits[] = {
      {"kb", 1 << 10},  {"mb", 1 << 20},      {"gb", 1 << 30}, {"k", 1'000},
      {"m", 1'000'000}, {"g", 1'000'000'000}, {"b", 1},
  };
  int64_t unit = 1;
  for (const auto& [name, factor] : kUnits) {
    if (!text.ends_with(name)) continue;
    unit = factor;
    text.remove_suffix(name.size());
    break;
  }
  int64_t number;
  if (!ParseInteger(text, &number) ||
      __builtin_mul_overflow(number, unit, &number)) {
    return std::nullopt;
  }
  return number;
}

bool SameValue(std::string_view asked, std::string_view present) {
  if (EqualsIgnoreCase(asked, present)) return true;
  const auto amount = ParseAmount(Lower(asked));
  return amount.has_value() && amount == ParseAmount(present);
}

// Why a parameter cannot have this value; empty if it can. Few can change at
// run time. Other parameters may be "set" to their present value. So a client
// does not rely on a change that was not made.
std::string_view Refusal(const ConfigParameters::Parameter& parameter,
                         const Context& context, std::string_view asked) {
  if (parameter.live == Live::kNothing) {
    return SameValue(asked, parameter.value) ? ""
                                             : "can't set immutable config";
  }
  if (parameter.live != Live::kMemoryLimit) {
    return context.env.certificates != nullptr
               ? ""
               : "the node was started without the files of [tls]";
  }
  const auto amount = ParseAmount(Lower(asked));
  return amount.has_value() && *amount >= 0 ? ""
                                            : "argument must be a memory value";
}

std::string SetFailed(std::string_view name, std::string_view why) {
  return Concat("ERR CONFIG SET failed (possibly related to argument '", name,
                "') - ", why);
}

// Reads the files of the certificate that the pairs name, also if the names are
// as before. Returns an error, or an empty text.
std::string SetFiles(
    Context& context, Arguments pairs,
    const std::vector<const ConfigParameters::Parameter*>& parameters) {
  std::string_view named;
  env::CertificateFiles files;
  for (size_t i = 0; i < pairs.size(); i += 2) {
    const Live live = parameters[i / 2]->live;
    if (live == Live::kNothing || live == Live::kMemoryLimit) continue;
    if (named.empty()) files = context.env.certificates->files();
    named = parameters[i / 2]->name;
    FileOf(files, live) = pairs[i + 1];
  }
  if (named.empty()) return "";
  const absl::Status used = context.env.certificates->Use(files);
  return used.ok() ? "" : SetFailed(named, std::string(used.message()));
}

// Nothing changes if one of the pairs is refused.
void ConfigSet(Context& context, RespAddress of, Arguments pairs,
               RespWriter& reply) {
  if (pairs.size() % 2 != 0) {
    return reply.Error("ERR syntax error");
  }
  const ConfigParameters& parameters = context.parameters_of(of);
  // At most each parameter once.
  std::vector<const ConfigParameters::Parameter*> seen;
  for (size_t i = 0; i < pairs.size(); i += 2) {
    const std::string name = Lower(pairs[i]);
    const ConfigParameters::Parameter* const parameter = parameters.Find(name);
    if (parameter == nullptr) {
      return reply.Error(
          Concat("ERR Unknown option or number of arguments for CONFIG SET - '",
                 pairs[i], "'"));
    }
    const bool twice =
        std::find(seen.begin(), seen.end(), parameter) != seen.end();
    const std::string_view refusal =
        twice ? "duplicate parameter"
              : Refusal(*parameter, context, pairs[i + 1]);
    if (!refusal.empty()) return reply.Error(SetFailed(name, refusal));
    seen.push_back(parameter);
  }
  context.work.Add(seen.size());
  if (const std::string wrong = SetFiles(context, pairs, seen);
      !wrong.empty()) {
    return reply.Error(wrong);
  }
  for (size_t i = 0; i < pairs.size(); i += 2) {
    if (seen[i / 2]->live != Live::kMemoryLimit) continue;
    context.memory_budget.set_limit_bytes(
        static_cast<uint64_t>(*ParseAmount(Lower(pairs[i + 1]))));
  }
  reply.Ok();
}

// The replicas that WAIT reports: a write is answered only after a majority has
// it.
int64_t ReplicasBesideLeader(const shardctrl::ShardMap& map) {
  size_t least = 0;
  for (const shardctrl::Group& group : map.groups()) {
    const size_t others = group.voters.size() / 2;
    least = least == 0 ? others : std::min(least, others);
  }
  return static_cast<int64_t>(least);
}

// Lists the subcommands that the command table has.
void WriteSubcommands(const CommandRow& row, RespWriter& reply) {
  const std::string_view name = row.name.substr(0, row.name.find('|'));
  std::vector<std::string_view> names;
  for (const CommandRow& other : AllCommands()) {
    if (other.name.starts_with(Concat(name, "|"))) {
      names.push_back(other.name.substr(name.size() + 1));
    }
  }
  WriteHelp(name, names, reply);
}

}  // namespace

bool ServerCommands::Write(const CommandRow& row, Arguments request,
                           RespWriter& reply) {
  switch (row.id) {
    case CommandId::kCommand:
      WriteCommandTable(reply);
      return true;
    case CommandId::kCommandCount:
      reply.Integer(static_cast<int64_t>(CommandCount()));
      return true;
    case CommandId::kCommandInfo:
      WriteCommandInfo(request, reply);
      return true;
    case CommandId::kCommandDocs:
      WriteCommandDocs(request, reply);
      return true;
    case CommandId::kCommandList:
      // Its pattern is the last argument.
      context_.work.Add(request.back().size() / TurnWork::kPatternBytesPerUnit +
                        CommandCount() / TurnWork::kShortMatchesPerUnit);
      WriteCommandList(request, reply);
      return true;
    case CommandId::kCommandGetkeys:
    case CommandId::kCommandGetkeysandflags:
      WriteCommandGetKeys(request, reply);
      return true;
    case CommandId::kConfigGet:
      ConfigGet(context_, view_.address(), request.subspan(2), reply);
      return true;
    case CommandId::kConfigSet:
      ConfigSet(context_, view_.address(), request.subspan(2), reply);
      return true;
    case CommandId::kConfigResetstat:
      context_.metrics.Reset();
      context_.env.process.ResetTurnTimes();
      reply.Ok();
      return true;
    case CommandId::kConfigRewrite:
      reply.Error("ERR CONFIG REWRITE is not supported by this server");
      return true;
    case CommandId::kInfo:
      // Without the section Keyspace (node/resp/group_commands.h).
      reply.Verbatim(InfoText(context_, {view_.address()}, request.subspan(1)));
      return true;
    case CommandId::kTime: {
      const int64_t us = std::max<int64_t>(
          0, context_.env.loop.ReadClock().wall.earliest.ns() / 1000);
      reply.Array(2);
      reply.Bulk(Concat(us / 1'000'000));
      reply.Bulk(Concat(us % 1'000'000));
      return true;
    }
    case CommandId::kRole:
      WriteRole(reply);
      return true;
    case CommandId::kWait:
      WriteWait(request, reply);
      return true;
    case CommandId::kLastsave:
      reply.Integer(context_.UnixMs() / 1000);
      return true;
    case CommandId::kCommandHelp:
    case CommandId::kConfigHelp:
    case CommandId::kObjectHelp:
    case CommandId::kMemoryHelp:
      WriteSubcommands(row, reply);
      return true;
    default:
      return false;
  }
}

void ServerCommands::WriteWait(Arguments request, RespWriter& reply) {
  int64_t replicas;
  int64_t timeout;
  if (!ParseInteger(request[1], &replicas)) {
    return reply.Error("ERR value is not an integer or out of range");
  }
  if (!ParseInteger(request[2], &timeout)) {
    return reply.Error("ERR timeout is not an integer or out of range");
  }
  if (timeout < 0) return reply.Error("ERR timeout is negative");
  reply.Integer(ReplicasBesideLeader(context_.cluster.shards()));
}

void ServerCommands::WriteRole(RespWriter& reply) {
  const Topology::Node& self = context_.topology.self();
  if (view_.IsMaster()) {
    std::vector<const Topology::Node*> replicas;
    for (const Topology::Node& node : context_.topology.nodes()) {
      if (view_.cluster() && node.master == self.config->id && !node.failed) {
        replicas.push_back(&node);
      }
    }
    reply.Array(3);
    reply.Bulk("master");
    reply.Integer(0);
    reply.Array(replicas.size());
    for (const Topology::Node* node : replicas) {
      const HostPort address = *ParseHostPort(view_.AddressOf(*node->config));
      reply.Array(3);
      reply.Bulk(address.host);
      reply.Bulk(Concat(address.port));
      reply.Bulk("0");
    }
    return;
  }
  // A node that is cut off from its cluster knows no master.
  const NodeConfig* const master = context_.cluster.FindListed(self.master);
  HostPort address;
  if (master != nullptr) address = *ParseHostPort(view_.AddressOf(*master));
  reply.Array(5);
  reply.Bulk("slave");
  reply.Bulk(address.host);
  reply.Integer(address.port);
  reply.Bulk(master != nullptr && context_.router.view().alive(master->id) &&
                     !self.failed
                 ? "connected"
                 : "connect");
  reply.Integer(0);
}

}  // namespace quorate::node
