// Commands on the connection itself, and those for sessions and for batches of
// other nodes.
#include <algorithm>
#include <utility>

#include "env/check.h"
#include "env/parse_integer.h"
#include "kv/slots/slot.h"
#include "node/base/text.h"
#include "node/base/version.h"
#include "node/resp/resp_session.h"
#include "node/routing/node_identity.h"

namespace quorate::node {
namespace {

constexpr std::string_view kNoPassword =
    "ERR AUTH <password> called without any password configured for the "
    "default user. Are you sure your configuration is correct?";

constexpr std::string_view kWrongPass =
    "WRONGPASS invalid username-password pair or user is disabled.";

// The only user. It has no password, so any password is accepted.
constexpr std::string_view kDefaultUser = "default";

constexpr std::string_view kSyntax = "ERR syntax error";

// The types of connections in CLIENT LIST and CLIENT KILL. Every connection is
// normal.
bool IsClientType(std::string_view name) {
  for (const std::string_view type :
       {"normal", "slave", "replica", "pubsub", "master"}) {
    if (EqualsIgnoreCase(name, type)) return true;
  }
  return false;
}

std::string UnknownType(std::string_view name) {
  return Concat("ERR Unknown client type '", name, "'");
}

// CLIENT TRACKING on|off [REDIRECT id] [PREFIX p]... [BCAST] [OPTIN] [OPTOUT]
// [NOLOOP]. This server sends no invalidations.
std::string_view TrackingError(Arguments options, bool on) {
  bool prefix = false;
  bool broadcast = false;
  int opt = 0;
  for (size_t i = 0; i < options.size(); ++i) {
    const bool more = i + 1 < options.size();
    if (EqualsIgnoreCase(options[i], "redirect") && more) {
      int64_t id;
      if (!ParseInteger(options[++i], &id)) {
        return "ERR value is not an integer or out of range";
      }
      if (on) return "ERR The client ID you want redirect to does not exist";
    } else if (EqualsIgnoreCase(options[i], "prefix") && more) {
      prefix = true;
      ++i;
    } else if (EqualsIgnoreCase(options[i], "bcast")) {
      broadcast = true;
    } else if (EqualsIgnoreCase(options[i], "optin") ||
               EqualsIgnoreCase(options[i], "optout")) {
      ++opt;
    } else if (!EqualsIgnoreCase(options[i], "noloop")) {
      return kSyntax;
    }
  }
  if (!on) return {};
  if (prefix && !broadcast) {
    return "ERR PREFIX option requires BCAST mode to be enabled";
  }
  if (broadcast && opt > 0) {
    return "ERR OPTIN and OPTOUT are not compatible with BCAST";
  }
  return "ERR CLIENT TRACKING is not supported: this server sends no "
         "invalidations";
}

// CLIENT PAUSE timeout [WRITE | ALL]. Only a pause of zero length is supported.
std::string PauseError(Arguments arguments) {
  if (arguments.size() > 2) {
    return "ERR unknown subcommand or wrong number of arguments for 'PAUSE'. "
           "Try CLIENT HELP.";
  }
  if (arguments.size() == 2 && !EqualsIgnoreCase(arguments[1], "write") &&
      !EqualsIgnoreCase(arguments[1], "all")) {
    return "ERR CLIENT PAUSE mode must be WRITE or ALL";
  }
  int64_t ms;
  if (!ParseInteger(arguments[0], &ms)) {
    return "ERR timeout is not an integer or out of range";
  }
  if (ms < 0) return "ERR timeout is negative";
  if (ms > 0) return "ERR CLIENT PAUSE is not supported by this server";
  return {};
}

std::string_view UnblockError(Arguments arguments) {
  int64_t id;
  if (arguments.size() > 2) {
    return "ERR wrong number of arguments for 'client|unblock' command";
  }
  if (arguments.size() == 2 && !EqualsIgnoreCase(arguments[1], "timeout") &&
      !EqualsIgnoreCase(arguments[1], "error")) {
    return "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR";
  }
  if (!ParseInteger(arguments[0], &id)) {
    return "ERR value is not an integer or out of range";
  }
  return {};
}

// Names consist of the characters that a line of CLIENT LIST allows: printable,
// without spaces.
bool IsPlainName(std::string_view name) {
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return c >= '!' && c <= '~'; });
}

constexpr std::string_view kBadName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

// Returns null if `word` names no group.
GroupQueue* QueueOfGroup(Context& context, std::string_view word) {
  uint32_t group = 0;
  return ParseInteger(word, &group) ? context.router.FindQueue(GroupId(group))
                                    : nullptr;
}

void WriteHelp(std::string_view command,
               absl::Span<const std::string_view> lines, RespWriter& reply) {
  reply.Array(lines.size() + 1);
  reply.Simple(Concat(command,
                      " <subcommand> [<arg> [value] [opt] ...]. "
                      "Subcommands are:"));
  for (const std::string_view line : lines) reply.Simple(line);
}

}  // namespace

bool RespSession::WriteConnection(const CommandRow& row, Arguments request,
                                  RespWriter& reply) {
  switch (row.id) {
    case CommandId::kPing:
      if (request.size() > 2) {
        reply.Error("ERR wrong number of arguments for 'ping' command");
      } else if (request.size() == 2) {
        reply.Bulk(request[1]);
      } else {
        reply.Simple("PONG");
      }
      return true;
    case CommandId::kEcho:
      reply.Bulk(request[1]);
      return true;
    case CommandId::kHello:
      WriteHello(request, reply);
      return true;
    case CommandId::kAuth:
      if (request.size() > 3) {
        reply.Error("ERR syntax error");
      } else if (request.size() == 2) {
        reply.Error(kNoPassword);
      } else if (request[1] != kDefaultUser) {
        reply.Error(kWrongPass);
      } else {
        reply.Ok();
      }
      return true;
    case CommandId::kSelect: {
      int64_t index;
      if (!ParseInteger(request[1], &index)) {
        reply.Error("ERR value is not an integer or out of range");
      } else if (index != 0) {
        reply.Error(cluster() ? "ERR SELECT is not allowed in cluster mode"
                              : "ERR DB index is out of range");
      } else {
        reply.Ok();
      }
      return true;
    }
    case CommandId::kQuit:
      reply.Ok();
      return true;
    case CommandId::kReset:
      Reset();
      reply.Simple("RESET");
      return true;
    case CommandId::kReadonly:
    case CommandId::kReadwrite:
    case CommandId::kAsking:
      if (!cluster()) {
        reply.Error(kClusterDisabled);
        return true;
      }
      if (row.id != CommandId::kAsking) {
        readonly_ = row.id == CommandId::kReadonly;
      }
      reply.Ok();
      return true;
    case CommandId::kUnwatch:
      watched_.clear();
      reply.Ok();
      return true;
    default:
      if (!row.name.starts_with("client|")) return false;
      WriteClient(row, request, reply);
      return true;
  }
}

void RespSession::WriteHello(Arguments request, RespWriter& reply) {
  int64_t version = version_;
  if (request.size() > 1) {
    if (!ParseInteger(request[1], &version)) {
      reply.Error("ERR Protocol version is not an integer or out of range");
      return;
    }
    if (version < 2 || version > 3) {
      reply.Error("NOPROTO unsupported protocol version");
      return;
    }
  }
  std::optional<std::string_view> name;
  for (size_t i = 2; i < request.size(); ++i) {
    const size_t rest = request.size() - i - 1;
    if (EqualsIgnoreCase(request[i], "auth") && rest >= 2) {
      if (request[i + 1] != kDefaultUser) {
        reply.Error(kWrongPass);
        return;
      }
      i += 2;
    } else if (EqualsIgnoreCase(request[i], "setname") && rest >= 1) {
      name = request[++i];
      if (!IsPlainName(*name)) {
        reply.Error(kBadName);
        return;
      }
    } else {
      reply.Error(
          Concat("ERR Syntax error in HELLO option '", request[i], "'"));
      return;
    }
  }
  if (name.has_value()) name_ = *name;
  version_ = static_cast<int>(version);
  // The reply uses the new version already.
  std::string text;
  RespWriter hello(&text, version_);
  hello.Map(7);
  hello.Bulk("server");
  hello.Bulk("redis");
  hello.Bulk("version");
  hello.Bulk(kRedisVersion);
  hello.Bulk("proto");
  hello.Integer(version_);
  hello.Bulk("id");
  hello.Integer(static_cast<int64_t>(client_.id()));
  hello.Bulk("mode");
  hello.Bulk(cluster() ? "cluster" : "standalone");
  hello.Bulk("role");
  hello.Bulk(IsMaster() ? "master" : "replica");
  hello.Bulk("modules");
  hello.Array(0);
  reply.Raw(text);
}

void RespSession::Reset() {
  ForgetTransaction();
  readonly_ = false;
  reply_off_ = false;
  reply_skip_next_ = false;
  name_.clear();
  version_ = 2;
}

std::string RespSession::Describe() const {
  const MonoTime now = context_.MonoNow();
  const int64_t age = (now - client_.created()).ns() / 1'000'000'000;
  const int64_t idle = (now - client_.last_input()).ns() / 1'000'000'000;
  std::string flags;
  if (in_transaction_) flags += "x";
  if (readonly_) flags += "r";
  if (flags.empty()) flags = "N";
  size_t stalled_bytes = 0;
  for (const std::string& argument : stalled_) stalled_bytes += argument.size();
  const size_t output_bytes = client_.unsent_bytes() + client_.held_bytes();
  return Concat(
      "id=", client_.id(), " addr=", client_.peer_address(),
      " laddr=", listen_address(), " fd=-1 name=", name_, " age=", age,
      " idle=", idle, " flags=", flags, " db=0 sub=0 psub=0 ssub=0 multi=",
      in_transaction_ ? static_cast<int64_t>(queued_.size()) : -1,
      " qbuf=", parser_.buffered_bytes(),
      " qbuf-free=0 argv-mem=", stalled_bytes, " multi-mem=", queued_bytes_,
      " rbs=0 rbp=0 obl=", client_.unsent_bytes(), " oll=", pending_.size(),
      " omem=", output_bytes, " tot-mem=",
      parser_.buffered_bytes() + stalled_bytes + queued_bytes_ + output_bytes,
      " events=r cmd=", last_command_, " user=default redir=-1 resp=", version_,
      " lib-name=", library_name_, " lib-ver=", library_version_);
}

void RespSession::WriteClient(const CommandRow& row, Arguments request,
                              RespWriter& reply) {
  switch (row.id) {
    case CommandId::kClientId:
      return reply.Integer(static_cast<int64_t>(client_.id()));
    case CommandId::kClientGetname:
      return name_.empty() ? reply.Null() : reply.Bulk(name_);
    case CommandId::kClientSetname:
      if (!IsPlainName(request[2])) return reply.Error(kBadName);
      name_ = request[2];
      return reply.Ok();
    case CommandId::kClientSetinfo: {
      const bool is_name = EqualsIgnoreCase(request[2], "lib-name");
      if (!is_name && !EqualsIgnoreCase(request[2], "lib-ver")) {
        return reply.Error(
            Concat("ERR Unrecognized option '", request[2], "'"));
      }
      if (!IsPlainName(request[3])) {
        return reply.Error(
            Concat("ERR ", Lower(request[2]),
                   " cannot contain spaces, newlines or special characters."));
      }
      (is_name ? library_name_ : library_version_) = request[3];
      return reply.Ok();
    }
    case CommandId::kClientInfo:
      return reply.Verbatim(Concat(Describe(), "\n"));
    case CommandId::kClientList:
      return ListClients(request.subspan(2), reply);
    case CommandId::kClientNoEvict:
    case CommandId::kClientNoTouch:
      if (!EqualsIgnoreCase(request[2], "on") &&
          !EqualsIgnoreCase(request[2], "off")) {
        return reply.Error("ERR syntax error");
      }
      return reply.Ok();
    case CommandId::kClientReply:
      if (EqualsIgnoreCase(request[2], "on")) {
        reply_off_ = false;
        return reply.Ok();
      }
      if (EqualsIgnoreCase(request[2], "off")) {
        reply_off_ = true;
      } else if (EqualsIgnoreCase(request[2], "skip")) {
        if (!reply_off_) reply_skip_next_ = true;
      } else {
        return reply.Error("ERR syntax error");
      }
      return;
    case CommandId::kClientKill:
      return KillClients(request, reply);
    case CommandId::kClientHelp:
      return WriteHelp(
          "CLIENT",
          {"ID", "    The id of this connection.", "INFO", "LIST",
           "    Facts about this connection, or all.", "GETNAME",
           "SETNAME <name>", "SETINFO LIB-NAME|LIB-VER <value>",
           "REPLY ON|OFF|SKIP", "NO-EVICT ON|OFF", "NO-TOUCH ON|OFF",
           "KILL <addr> | ID <id> | ADDR <addr> [SKIPME yes|no]"},
          reply);
    default:
      return WriteClientState(row, request.subspan(2), reply);
  }
}

// Connection state that Redis has and this server has not. Replies describe a
// connection without such state.
void RespSession::WriteClientState(const CommandRow& row, Arguments arguments,
                                   RespWriter& reply) {
  std::string error;
  switch (row.id) {
    case CommandId::kClientTracking: {
      const bool on = EqualsIgnoreCase(arguments[0], "on");
      error = TrackingError(arguments.subspan(1), on);
      if (!on && !EqualsIgnoreCase(arguments[0], "off")) error = kSyntax;
      break;
    }
    case CommandId::kClientCaching:
      error =
          "ERR CLIENT CACHING can be called only when the client is in "
          "tracking mode with OPTIN or OPTOUT mode enabled";
      break;
    case CommandId::kClientTrackinginfo:
      reply.Map(3);
      reply.Bulk("flags");
      reply.Set(1);
      reply.Bulk("off");
      reply.Bulk("redirect");
      reply.Integer(-1);
      reply.Bulk("prefixes");
      return reply.Array(0);
    case CommandId::kClientGetredir:
      return reply.Integer(-1);
    case CommandId::kClientPause:
      error = PauseError(arguments);
      break;
    case CommandId::kClientUnblock:
      error = UnblockError(arguments);
      if (error.empty()) return reply.Integer(0);
      break;
    default:
      CHECK(row.id == CommandId::kClientUnpause) << row.name;
  }
  error.empty() ? reply.Ok() : reply.Error(error);
}

// CLIENT LIST [TYPE type | ID id...]
void RespSession::ListClients(Arguments options, RespWriter& reply) {
  bool any_type = true;
  std::vector<int64_t> ids;
  if (options.size() == 2 && EqualsIgnoreCase(options[0], "type")) {
    if (!IsClientType(options[1])) return reply.Error(UnknownType(options[1]));
    any_type = EqualsIgnoreCase(options[1], "normal");
  } else if (options.size() > 1 && EqualsIgnoreCase(options[0], "id")) {
    for (const std::string_view option : options.subspan(1)) {
      ids.emplace_back();
      if (!ParseInteger(option, &ids.back())) {
        return reply.Error("ERR Invalid client ID");
      }
    }
  } else if (!options.empty()) {
    return reply.Error(kSyntax);
  }
  std::string text;
  for (ClientConnection* client : context_.resp_clients.All()) {
    const auto id = static_cast<int64_t>(client->id());
    if (!any_type ||
        (!ids.empty() && std::find(ids.begin(), ids.end(), id) == ids.end())) {
      continue;
    }
    Append(&text, static_cast<RespSession&>(client->protocol()).Describe(),
           "\n");
  }
  reply.Verbatim(text);
}

void RespSession::KillClients(Arguments request, RespWriter& reply) {
  std::optional<int64_t> id;
  std::string_view address;
  bool none = false;  // A condition that no connection here meets.
  bool skip_me = true;
  const bool old_form = request.size() == 3;
  if (old_form) {
    address = request[2];
    skip_me = false;
  } else {
    for (size_t i = 2; i < request.size(); i += 2) {
      if (i + 1 == request.size()) return reply.Error("ERR syntax error");
      int64_t number;
      if (EqualsIgnoreCase(request[i], "id")) {
        if (!ParseInteger(request[i + 1], &number) || number <= 0) {
          return reply.Error("ERR client-id should be greater than 0");
        }
        id = number;
      } else if (EqualsIgnoreCase(request[i], "addr")) {
        address = request[i + 1];
      } else if (EqualsIgnoreCase(request[i], "laddr")) {
        none = none || request[i + 1] != listen_address();
      } else if (EqualsIgnoreCase(request[i], "type")) {
        if (!IsClientType(request[i + 1])) {
          return reply.Error(UnknownType(request[i + 1]));
        }
        none = none || !EqualsIgnoreCase(request[i + 1], "normal");
      } else if (EqualsIgnoreCase(request[i], "user")) {
        if (request[i + 1] != "default") {
          return reply.Error(Concat("ERR No such user '", request[i + 1], "'"));
        }
      } else if (EqualsIgnoreCase(request[i], "skipme")) {
        skip_me = EqualsIgnoreCase(request[i + 1], "yes");
        if (!skip_me && !EqualsIgnoreCase(request[i + 1], "no")) {
          return reply.Error(kSyntax);
        }
      } else {
        return reply.Error("ERR syntax error");
      }
    }
  }
  int64_t killed = 0;
  for (ClientConnection* client : context_.resp_clients.All()) {
    if (id.has_value() && client->id() != static_cast<uint64_t>(*id)) continue;
    if (!address.empty() && client->peer_address() != address) continue;
    if (none || (skip_me && client == &client_)) continue;
    context_.resp_clients.Kill(*client);
    ++killed;
  }
  if (!old_form) return reply.Integer(killed);
  if (killed == 0) return reply.Error("ERR No such client");
  reply.Ok();
}

// ---- Sessions and peers.

RespSession::HandleResult RespSession::Session(const CommandRow& row) {
  const quorate::Now now = context_.env.loop.ReadClock();
  // Draws before a restart of this node had other start times in their key.
  const uint64_t bits = context_.env.random.Bits(
      "node.session",
      Mix64(static_cast<uint64_t>(now.wall.earliest.ns())) ^
          static_cast<uint64_t>(now.mono.ns()) ^ context_.host.store().value(),
      context_.random_draws++);
  ReplyNow(row.id, [&](RespWriter& reply) {
    reply.Bulk(
        kv::FormatSessionToken(kv::MakeSessionToken(bits, now.wall.earliest)));
  });
  return HandleResult::kDone;
}

// QUORATE.DO session sequence floor command …
RespSession::HandleResult RespSession::Do(const CommandRow& row,
                                          Arguments request) {
  const auto token = kv::ParseSessionToken(request[1]);
  uint64_t sequence;
  uint64_t floor;
  if (!token.has_value()) {
    ReplyError(row.id, "ERR not a session: use QUORATE.SESSION");
    return HandleResult::kDone;
  }
  if (!ParseInteger(request[2], &sequence) ||
      !ParseInteger(request[3], &floor) || sequence == 0 || floor > sequence) {
    ReplyError(row.id, "ERR sequence or floor is out of range");
    return HandleResult::kDone;
  }
  const Arguments inner = request.subspan(4);
  const CommandLookup lookup = LookUp(inner);
  if (lookup.spec == nullptr) {
    ReplyError(row.id, lookup.error);
    return HandleResult::kDone;
  }
  if (!IsKeyCommand(*lookup.spec)) {
    ReplyError(row.id, "ERR only commands on keys run in a session");
    return HandleResult::kDone;
  }
  return HandleKeys(
      *lookup.spec, inner,
      kv::SessionStamp{*token, kv::Sequence(sequence), kv::Sequence(floor)});
}

// QUORATE.CHANNEL group term channel: term and channel of the channel that the
// new one replaces.
RespSession::HandleResult RespSession::OpenChannel(const CommandRow& row,
                                                   Arguments request) {
  GroupQueue* queue = QueueOfGroup(context_, request[1]);
  uint64_t term = 0;
  ForwardStamp replaces;
  if (queue == nullptr || !ParseInteger(request[2], &term) ||
      !ParseInteger(request[3], &replaces.channel)) {
    ReplyError(row.id, "ERR no such group or channel");
    return HandleResult::kDone;
  }
  replaces.term = raft::Term(term);
  ReplyToPeer(PushReply(row.id, ReplyFormat::kBulk),
              queue->OpenForPeer(replaces));
  return HandleResult::kDone;
}

// QUORATE.APPLY group term channel number batch
RespSession::HandleResult RespSession::Apply(const CommandRow& row,
                                             Arguments request) {
  GroupQueue* queue = QueueOfGroup(context_, request[1]);
  uint64_t term = 0;
  ForwardStamp stamp;
  if (queue == nullptr || !ParseInteger(request[2], &term) ||
      !ParseInteger(request[3], &stamp.channel) ||
      !ParseInteger(request[4], &stamp.number)) {
    ReplyError(row.id, "ERR no such group or channel");
    return HandleResult::kDone;
  }
  stamp.term = raft::Term(term);
  const uint64_t token = PushReply(row.id, ReplyFormat::kBulk);
  queue->ApplyForPeer(
      stamp, Buffer::Copy(request[5]),
      [this, token](PeerResult result) { ReplyToPeer(token, result); });
  return HandleResult::kDone;
}

void RespSession::ReplyToPeer(uint64_t token, const PeerResult& result) {
  Pending& pending = PendingOf(token);
  WritePeerResult(result, &pending.reply);
  RecordMetrics(pending.command, context_.MonoNow() - pending.begun,
                pending.reply);
  Finish(pending);
}

// QUORATE.STATUS start changes identity: the version of the rows that the
// requesting node has, and its identity.
RespSession::HandleResult RespSession::Status(const CommandRow& row,
                                              Arguments request) {
  NodeReport known;
  env::TransportIdentity asker;
  if (!ParseInteger(request[1], &known.start) ||
      !ParseInteger(request[2], &known.changes) ||
      !ParseIdentity(request[3], &asker)) {
    ReplyError(row.id, "ERR not a query of another node");
    return HandleResult::kDone;
  }
  PeerResult result;
  result.result.outcome = Outcome::kDone;
  result.report = context_.router.view().Report(known, asker);
  std::string text;
  WritePeerResult(result, &text);
  ReplyNow(row.id, [&](RespWriter& reply) { reply.Raw(text); });
  return HandleResult::kDone;
}

}  // namespace quorate::node
