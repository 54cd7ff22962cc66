// Commands about the connection itself, and those that carry sessions and peers' batches.
#include <algorithm>
#include <utility>

#include "env/check.h"
#include "env/number.h"
#include "kv/slot.h"
#include "node/resp_session.h"
#include "node/text.h"
#include "node/version.h"

namespace quorate::node {
namespace {

constexpr std::string_view kNoPassword =
    "ERR AUTH <password> called without any password configured for the "
    "default user. Are you sure your configuration is correct?";

// Names may hold what a line of CLIENT LIST may: printable characters without spaces.
bool IsPlainName(std::string_view name) {
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return c >= '!' && c <= '~'; });
}

constexpr std::string_view kBadName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

void WriteHelp(std::string_view command,
               absl::Span<const std::string_view> lines, RespWriter& reply) {
  reply.Array(lines.size() + 1);
  reply.Simple(Concat(command,
                      " <subcommand> [<arg> [value] [opt] ...]. "
                      "Subcommands are:"));
  for (const std::string_view line : lines) reply.Simple(line);
}

}  // namespace

bool RespSession::WriteConnection(const CommandSpec& row, Arguments request,
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
      reply.Error(request.size() > 3 ? "ERR syntax error" : kNoPassword);
      return true;
    case CommandId::kSelect: {
      int64_t index;
      if (!ParseInteger(request[1], &index)) {
        reply.Error("ERR value is not an integer or out of range");
      } else if (index != 0) {
        reply.Error("ERR SELECT is not allowed in cluster mode");
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
      readonly_ = true;
      reply.Ok();
      return true;
    case CommandId::kReadwrite:
      readonly_ = false;
      reply.Ok();
      return true;
    case CommandId::kAsking:
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
      reply.Error(kNoPassword);
      return;
    }
    if (EqualsIgnoreCase(request[i], "setname") && rest >= 1) {
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
  // The answer already speaks the new version.
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
  hello.Bulk("cluster");
  hello.Bulk("role");
  hello.Bulk(context_.topology.self().master == NodeId() ? "master"
                                                         : "replica");
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
  return Concat(
      "id=", client_.id(), " addr=", client_.peer_address(),
      " laddr=", context_.config.self().resp, " fd=-1 name=", name_,
      " age=", age, " idle=", idle, " flags=", flags,
      " db=0 sub=0 psub=0 ssub=0 multi=",
      in_transaction_ ? static_cast<int64_t>(queued_.size()) : -1,
      " qbuf=", parser_.unparsed_bytes(), " obl=", client_.unsent_bytes(),
      " events=r cmd=", last_command_, " user=default redir=-1 resp=", version_,
      " lib-name=", library_name_, " lib-ver=", library_version_);
}

void RespSession::WriteClient(const CommandSpec& row, Arguments request,
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
    case CommandId::kClientList: {
      std::string text;
      for (Client* client : context_.resp_clients.All()) {
        Append(&text, static_cast<RespSession&>(client->protocol()).Describe(),
               "\n");
      }
      return reply.Verbatim(text);
    }
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
    default:
      return WriteHelp(
          "CLIENT",
          {"ID", "    The id of this connection.", "INFO", "LIST",
           "    Facts about this connection, or all.", "GETNAME",
           "SETNAME <name>", "SETINFO LIB-NAME|LIB-VER <value>",
           "REPLY ON|OFF|SKIP", "NO-EVICT ON|OFF", "NO-TOUCH ON|OFF",
           "KILL <addr> | ID <id> | ADDR <addr> [SKIPME yes|no]"},
          reply);
  }
}

void RespSession::KillClients(Arguments request, RespWriter& reply) {
  std::optional<int64_t> id;
  std::string_view address;
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
      } else if (EqualsIgnoreCase(request[i], "skipme")) {
        skip_me = EqualsIgnoreCase(request[i + 1], "yes");
      } else {
        return reply.Error("ERR syntax error");
      }
    }
  }
  int64_t killed = 0;
  for (Client* client : context_.resp_clients.All()) {
    if (id.has_value() && client->id() != static_cast<uint64_t>(*id)) continue;
    if (!address.empty() && client->peer_address() != address) continue;
    if (skip_me && client == &client_) continue;
    context_.resp_clients.Kill(*client);
    ++killed;
  }
  if (!old_form) return reply.Integer(killed);
  if (killed == 0) return reply.Error("ERR No such client");
  reply.Ok();
}

// ---- Sessions and peers.

RespSession::Taken RespSession::Session(const CommandSpec& row) {
  const quorate::Now now = context_.env.loop.ReadClock();
  // Draws of an earlier life of this node were keyed by other times.
  const uint64_t bits = context_.env.random.Bits(
      "node.session",
      Mix64(static_cast<uint64_t>(now.wall.earliest.ns())) ^
          static_cast<uint64_t>(now.mono.ns()) ^ context_.host.store().value(),
      context_.draws++);
  ReplyNow(row.id, [&](RespWriter& reply) {
    reply.Bulk(
        kv::FormatSessionToken(kv::MakeSessionToken(bits, now.wall.earliest)));
  });
  return Taken::kDone;
}

// QUORATE.DO session sequence floor command …
RespSession::Taken RespSession::Do(const CommandSpec& row, Arguments request) {
  const auto token = kv::ParseSessionToken(request[1]);
  uint64_t sequence;
  uint64_t floor;
  if (!token.has_value()) {
    ReplyError(row.id, "ERR not a session: use QUORATE.SESSION");
    return Taken::kDone;
  }
  if (!ParseInteger(request[2], &sequence) ||
      !ParseInteger(request[3], &floor) || sequence == 0 || floor > sequence) {
    ReplyError(row.id, "ERR sequence or floor is out of range");
    return Taken::kDone;
  }
  const Arguments inner = request.subspan(4);
  const CommandLookup lookup = LookUp(inner);
  if (lookup.spec == nullptr) {
    ReplyError(row.id, lookup.error);
    return Taken::kDone;
  }
  if (!IsKeyCommand(*lookup.spec)) {
    ReplyError(row.id, "ERR only commands on keys run in a session");
    return Taken::kDone;
  }
  return HandleKeys(
      *lookup.spec, inner,
      kv::SessionStamp{*token, kv::Sequence(sequence), kv::Sequence(floor)});
}

// QUORATE.APPLY group batch
RespSession::Taken RespSession::Apply(const CommandSpec& row,
                                      Arguments request) {
  uint32_t group = 0;
  GroupQueue* queue = ParseInteger(request[1], &group)
                          ? context_.router.FindQueue(GroupId(group))
                          : nullptr;
  if (queue == nullptr) {
    ReplyError(row.id, "ERR no such group");
    return Taken::kDone;
  }
  const uint64_t token = Expect(row.id, Shape::kBulk);
  queue->ApplyForPeer(Buffer::Copy(request[2]), [this,
                                                 token](PeerResult result) {
    Pending& pending = PendingOf(token);
    WritePeerResult(result, &pending.reply);
    Account(pending.command, context_.MonoNow() - pending.begun, pending.reply);
    Finish(pending);
  });
  return Taken::kDone;
}

}  // namespace quorate::node
