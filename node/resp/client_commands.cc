#include "node/resp/client_commands.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "env/parse_integer.h"
#include "node/base/text.h"
#include "node/base/turn_work.h"
#include "node/base/version.h"
#include "node/resp/absent_state.h"
#include "node/resp/error_text.h"
#include "node/resp/help_reply.h"
#include "node/routing/group_leadership.h"

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

constexpr std::string_view kOneDatabase =
    ": this store has one database, 0. Give the keys of each application a "
    "prefix, or run another cluster";

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

// A connection keeps its names, and lines of CLIENT LIST contain them.
constexpr size_t kNameBytesMax = 512;

// Why a name that `what` denotes is refused; empty if it is accepted. Names
// consist of the characters that a line of CLIENT LIST allows: printable,
// without spaces.
std::string NameError(std::string_view what, std::string_view name) {
  if (name.size() > kNameBytesMax) {
    return Concat("ERR ", what, " cannot be longer than ", kNameBytesMax,
                  " bytes.");
  }
  const bool plain = std::all_of(name.begin(), name.end(),
                                 [](char c) { return c >= '!' && c <= '~'; });
  if (plain) return {};
  return Concat("ERR ", what,
                " cannot contain spaces, newlines or special characters.");
}

constexpr std::string_view kClientNames = "Client names";
constexpr std::string_view kConsistencyLevels =
    "ERR use QUORATE.CONSISTENCY LINEARIZABLE, EVENTUAL, or BOUNDED "
    "milliseconds";

}  // namespace

ClientCommands::ClientCommands(Context& context, ClientConnection& client,
                               AddressView view, KeyCommands& key_commands,
                               ReplyQueue& replies)
    : context_(context),
      client_(client),
      view_(view),
      key_commands_(key_commands),
      replies_(replies) {}

bool ClientCommands::Write(const CommandRow& row, Arguments request,
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
      WriteAuth(request, reply);
      return true;
    case CommandId::kSelect:
      WriteSelect(request, reply);
      return true;
    case CommandId::kQuit:
      reply.Ok();
      return true;
    case CommandId::kQuorateConsistency:
      WriteConsistency(request, reply);
      return true;
    case CommandId::kReadonly:
    case CommandId::kReadwrite:
    case CommandId::kAsking:
      if (!view_.cluster()) {
        reply.Error(kClusterDisabled);
        return true;
      }
      if (row.id != CommandId::kAsking) {
        key_commands_.set_staleness_max(
            row.id == CommandId::kReadonly ? kAnyStaleness : Duration());
      }
      reply.Ok();
      return true;
    default:
      if (!row.name.starts_with("client|")) return false;
      WriteClient(row, request, reply);
      return true;
  }
}

void ClientCommands::WriteHello(Arguments request, RespWriter& reply) {
  int64_t version = replies_.version();
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
      const std::string error = NameError(kClientNames, *name);
      if (!error.empty()) return reply.Error(error);
    } else {
      reply.Error(
          Concat("ERR Syntax error in HELLO option '", request[i], "'"));
      return;
    }
  }
  if (name.has_value()) name_ = *name;
  replies_.set_version(static_cast<int>(version));
  // This reply uses the new version already. Within an EXEC, so do the replies
  // that follow in it.
  reply.set_version(replies_.version());
  reply.Map(7);
  reply.Bulk("server");
  reply.Bulk("redis");
  reply.Bulk("version");
  reply.Bulk(kRedisVersion);
  reply.Bulk("proto");
  reply.Integer(version);
  reply.Bulk("id");
  reply.Integer(static_cast<int64_t>(client_.id()));
  reply.Bulk("mode");
  reply.Bulk(view_.cluster() ? "cluster" : "standalone");
  reply.Bulk("role");
  reply.Bulk(view_.IsMaster() ? "master" : "replica");
  reply.Bulk("modules");
  reply.Array(0);
}

void ClientCommands::WriteAuth(Arguments request, RespWriter& reply) {
  if (request.size() > 3) {
    reply.Error("ERR syntax error");
  } else if (request.size() == 2) {
    reply.Error(kNoPassword);
  } else if (request[1] != kDefaultUser) {
    reply.Error(kWrongPass);
  } else {
    reply.Ok();
  }
}

void ClientCommands::WriteSelect(Arguments request, RespWriter& reply) {
  int64_t index;
  if (!ParseInteger(request[1], &index)) {
    reply.Error("ERR value is not an integer or out of range");
  } else if (index != 0) {
    // Redis's text, then what this store has instead.
    reply.Error(Concat(view_.cluster()
                           ? "ERR SELECT is not allowed in cluster mode"
                           : "ERR DB index is out of range",
                       kOneDatabase));
  } else {
    reply.Ok();
  }
}

void ClientCommands::WriteConsistency(Arguments request, RespWriter& reply) {
  const std::string_view level = request[1];
  const bool bounded = EqualsIgnoreCase(level, "bounded");
  int64_t bound_ms = 0;
  if (request.size() != (bounded ? 3u : 2u)) {
    return reply.Error(kConsistencyLevels);
  }
  if (bounded && (!ParseInteger(request[2], &bound_ms) || bound_ms < 1 ||
                  bound_ms > kStalenessMaxMs)) {
    return reply.Error(
        Concat("ERR the bound is 1 to ", kStalenessMaxMs, " milliseconds"));
  }
  if (bounded) {
    key_commands_.set_staleness_max(Milliseconds(bound_ms));
  } else if (EqualsIgnoreCase(level, "eventual")) {
    key_commands_.set_staleness_max(kAnyStaleness);
  } else if (EqualsIgnoreCase(level, "linearizable")) {
    key_commands_.set_staleness_max(Duration());
  } else {
    return reply.Error(kConsistencyLevels);
  }
  reply.Ok();
}

void ClientCommands::Reset() {
  key_commands_.set_staleness_max(Duration());
  replies_.EndSilence();
  replies_.set_version(2);
  name_.clear();
}

void ClientCommands::WriteClient(const CommandRow& row, Arguments request,
                                 RespWriter& reply) {
  switch (row.id) {
    case CommandId::kClientId:
      return reply.Integer(static_cast<int64_t>(client_.id()));
    case CommandId::kClientGetname:
      return name_.empty() ? reply.Null() : reply.Bulk(name_);
    case CommandId::kClientSetname: {
      const std::string error = NameError(kClientNames, request[2]);
      if (!error.empty()) return reply.Error(error);
      name_ = request[2];
      return reply.Ok();
    }
    case CommandId::kClientSetinfo:
      return SetInfo(request, reply);
    case CommandId::kClientInfo:
      return reply.Verbatim(Concat(
          static_cast<ListedProtocol&>(client_.protocol()).Describe(), "\n"));
    case CommandId::kClientNoEvict:
    case CommandId::kClientNoTouch:
      if (!EqualsIgnoreCase(request[2], "on") &&
          !EqualsIgnoreCase(request[2], "off")) {
        return reply.Error("ERR syntax error");
      }
      return reply.Ok();
    case CommandId::kClientReply:
      return SetReplies(request[2], reply);
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
      return WriteAbsentState(row, request.subspan(2), reply);
  }
}

void ClientCommands::SetInfo(Arguments request, RespWriter& reply) {
  const bool is_name = EqualsIgnoreCase(request[2], "lib-name");
  if (!is_name && !EqualsIgnoreCase(request[2], "lib-ver")) {
    return reply.Error(Concat("ERR Unrecognized option '", request[2], "'"));
  }
  const std::string error = NameError(Lower(request[2]), request[3]);
  if (!error.empty()) return reply.Error(error);
  (is_name ? library_name_ : library_version_) = request[3];
  reply.Ok();
}

// Only ON has a reply.
void ClientCommands::SetReplies(std::string_view mode, RespWriter& reply) {
  if (EqualsIgnoreCase(mode, "on")) {
    replies_.SetSilent(false);
    return reply.Ok();
  }
  if (EqualsIgnoreCase(mode, "off")) return replies_.SetSilent(true);
  if (EqualsIgnoreCase(mode, "skip")) return replies_.SkipNext();
  reply.Error("ERR syntax error");
}

// CLIENT LIST [TYPE type | ID id...]
std::vector<uint64_t> ClientCommands::SelectClients(Arguments options,
                                                    std::string* error) const {
  bool any_type = true;
  std::vector<int64_t> wanted;
  if (options.size() == 2 && EqualsIgnoreCase(options[0], "type")) {
    if (!IsClientType(options[1])) *error = UnknownType(options[1]);
    any_type = EqualsIgnoreCase(options[1], "normal");
  } else if (options.size() > 1 && EqualsIgnoreCase(options[0], "id")) {
    for (const std::string_view option : options.subspan(1)) {
      wanted.emplace_back();
      if (!ParseInteger(option, &wanted.back())) {
        *error = "ERR Invalid client ID";
      }
    }
  } else if (!options.empty()) {
    *error = kSyntax;
  }
  std::vector<uint64_t> ids;
  if (!error->empty() || !any_type) return ids;
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  for (const int64_t id : wanted) {
    if (context_.resp_clients.Find(static_cast<uint64_t>(id)) != nullptr) {
      ids.push_back(static_cast<uint64_t>(id));
    }
  }
  if (!wanted.empty()) return ids;
  for (const ClientConnection* client : VisitAll()) ids.push_back(client->id());
  return ids;
}

std::vector<ClientConnection*> ClientCommands::VisitAll() const {
  client_.AddWork(context_.resp_clients.count() /
                  TurnWork::kConnectionsPerUnit);
  return context_.resp_clients.All();
}

size_t ClientCommands::Describe(uint64_t id, std::string* text) const {
  ClientConnection* client = context_.resp_clients.Find(id);
  if (client == nullptr) return 0;
  const size_t before = text->size();
  Append(text, static_cast<ListedProtocol&>(client->protocol()).Describe(),
         "\n");
  return text->size() - before;
}

Handled ClientCommands::List(const CommandRow& row, Arguments request) {
  std::string error;
  std::vector<uint64_t> ids = SelectClients(request.subspan(2), &error);
  if (!error.empty()) {
    replies_.ReplyError(row.id, error);
    return Handled::kDone;
  }
  list_ = std::make_unique<ListOfClients>(
      ListOfClients{.command = row.id, .ids = std::move(ids)});
  ResumeList();
  return Handled::kDone;
}

void ClientCommands::ResumeList() {
  if (list_ == nullptr) return;
  while (list_->next < list_->ids.size()) {
    if (!client_.RoomFor(0, /*in_front=*/true)) return;
    const size_t bytes = Describe(list_->ids[list_->next++], &list_->text);
    if (!client_.HoldIfFits(bytes)) break;
    list_->held_bytes += bytes;
    client_.AddWork(TurnWork::kDescribedClient +
                    bytes / TurnWork::kBytesPerUnit);
  }
  const std::unique_ptr<ListOfClients> list = std::move(list_);
  client_.Unhold(list->held_bytes);
  replies_.ReplyNow(list->command, [&](RespWriter& reply) {
    if (list->next == list->ids.size()) return reply.Verbatim(list->text);
    reply.Error(
        "ERR the replies of this node reach limits.output_total_bytes; list "
        "fewer clients, with ID, or try again");
  });
}

void ClientCommands::KillClients(Arguments request, RespWriter& reply) {
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
        none = none || request[i + 1] != view_.listen_address();
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
  std::vector<ClientConnection*> clients;
  if (!id.has_value()) {
    clients = VisitAll();
  } else if (auto* const one =
                 context_.resp_clients.Find(static_cast<uint64_t>(*id))) {
    clients.push_back(one);
  }
  int64_t killed = 0;
  for (ClientConnection* client : clients) {
    if (!address.empty() && client->peer_address() != address) continue;
    if (none || (skip_me && client == &client_)) continue;
    if (client == &client_) {
      // The reply to this command is sent before the connection closes.
      client->CloseAfterFlush();
    } else {
      context_.resp_clients.Kill(*client);
    }
    ++killed;
  }
  if (!old_form) return reply.Integer(killed);
  if (killed == 0) return reply.Error("ERR No such client");
  reply.Ok();
}

}  // namespace quorate::node
