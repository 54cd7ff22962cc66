#include "node/resp/acl_commands.h"

#include <algorithm>
#include <utility>

#include "env/parse_integer.h"
#include "node/base/text.h"
#include "node/resp/help_reply.h"

namespace quorate::node {
namespace {

constexpr std::string_view kWrongPass =
    "WRONGPASS invalid username-password pair or user is disabled.";
constexpr std::string_view kNoPassword =
    "ERR AUTH <password> called without any password configured for the "
    "default user. Are you sure your configuration is correct?";
constexpr std::string_view kNotAuthenticated =
    "NOAUTH Authentication required.";
constexpr std::string_view kHelloWithoutUser =
    "NOAUTH HELLO must be called with the client already authenticated";
constexpr std::string_view kHelloAdvice =
    ", otherwise the HELLO AUTH <user> <pass> option can be used to "
    "authenticate the client and select the RESP protocol version at the same "
    "time";
constexpr std::string_view kUsersUnknown =
    "CLUSTERDOWN this node has not heard from the controller since it was "
    "created, so it does not know the users yet. The request was not executed";
constexpr std::string_view kNoFile =
    "ERR The cluster keeps the users, and each change is stored at once: there "
    "is no ACL file";
constexpr std::string_view kPasswordBits =
    "ERR ACL GENPASS argument must be the number of bits for the output "
    "password, a positive number up to 4096";
constexpr int64_t kPasswordBitsMax = 4096;
constexpr int64_t kLogEntriesShown = 10;

std::string_view NameOf(AclLog::Reason reason) {
  switch (reason) {
    case AclLog::Reason::kAuth:
      return "auth";
    case AclLog::Reason::kCommand:
      return "command";
    case AclLog::Reason::kKey:
      return "key";
  }
  return "";
}

// Redis begins this text with a capital letter in ACL DRYRUN.
std::string Capitalized(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') {
    text[0] = static_cast<char>(text[0] - ('a' - 'A'));
  }
  return text;
}

void WriteRights(const AclSelector& selector, RespWriter& reply) {
  reply.Bulk("commands");
  reply.Bulk(selector.DescribeCommands());
  reply.Bulk("keys");
  reply.Bulk(selector.DescribeKeys());
  reply.Bulk("channels");
  reply.Bulk(selector.DescribeChannels());
}

}  // namespace

AclCommands::AclCommands(Context& context, ClientConnection& client,
                         ReplyQueue& replies,
                         std::function<std::string()> describe)
    : context_(context),
      client_(client),
      replies_(replies),
      describe_(std::move(describe)) {}

void AclCommands::TakeUserWithoutPassword() {
  if (client_.user() == nullptr) {
    client_.set_user(context_.users.WithoutProof());
  }
}

void AclCommands::Reset() {
  client_.set_user(nullptr);
  TakeUserWithoutPassword();
}

void AclCommands::NoteRefusal(AclLog::Reason reason, bool in_transaction,
                              std::string_view object, std::string_view user) {
  context_.users.log().Add({.reason = reason,
                            .in_transaction = in_transaction,
                            .object = std::string(object),
                            .user = std::string(user),
                            .client = describe_(),
                            .at = context_.MonoNow()});
}

bool AclCommands::AllowsWithoutUser(const CommandRow& row, Arguments request,
                                    bool in_transaction, std::string* error) {
  TakeUserWithoutPassword();
  if (client_.user() == nullptr) {
    if (row.Has(kNoAuth)) return true;
    *error = context_.users.known() ? kNotAuthenticated : kUsersUnknown;
    return false;
  }
  const AclDenial denial = client_.user()->Check(row, request);
  if (denial.allowed()) return true;
  const bool of_key = denial.kind == AclDenial::Kind::kKey;
  NoteRefusal(of_key ? AclLog::Reason::kKey : AclLog::Reason::kCommand,
              in_transaction, of_key ? request[denial.argument] : row.name,
              client_.user()->name());
  *error =
      Concat("NOPERM ", DenialText(row, request, denial, /*names_key=*/false));
  return false;
}

std::string AclCommands::Authenticate(std::string_view name,
                                      std::string_view password) {
  if (!context_.users.known()) return std::string(kUsersUnknown);
  UserRef user = context_.users.WithPassword(name, password);
  if (user == nullptr) {
    NoteRefusal(AclLog::Reason::kAuth, /*in_transaction=*/false, "auth", name);
    return std::string(kWrongPass);
  }
  client_.set_user(std::move(user));
  return {};
}

void AclCommands::WriteAuth(Arguments request, RespWriter& reply) {
  if (request.size() > 3) return reply.Error("ERR syntax error");
  const bool named = request.size() == 3;
  const UserRef first = context_.users.Find(kDefaultUser);
  if (!named && context_.users.known() && first->open()) {
    return reply.Error(kNoPassword);
  }
  const std::string error =
      Authenticate(named ? request[1] : kDefaultUser, request.back());
  error.empty() ? reply.Ok() : reply.Error(error);
}

std::string AclCommands::HelloError() {
  TakeUserWithoutPassword();
  if (client_.user() != nullptr) return {};
  if (!context_.users.known()) return std::string(kUsersUnknown);
  return Concat(kHelloWithoutUser, kHelloAdvice);
}

bool AclCommands::Write(const CommandRow& row, Arguments request,
                        RespWriter& reply) {
  switch (row.id) {
    case CommandId::kAclCat:
      WriteCategories(request, reply);
      return true;
    case CommandId::kAclDryrun:
      WriteDryRun(request, reply);
      return true;
    case CommandId::kAclGenpass:
      WritePassword(request, reply);
      return true;
    case CommandId::kAclGetuser:
      WriteUser(request[2], reply);
      return true;
    case CommandId::kAclHelp:
      WriteHelp(
          "ACL",
          {"CAT [<category>]", "DRYRUN <user> <command> [<arg> ...]",
           "GENPASS [<bits>]", "LIST", "USERS", "GETUSER <user>",
           "    The users of the cluster and their rules.",
           "SETUSER <user> <rule> [<rule> ...]", "DELUSER <user> [<user> ...]",
           "    Changes that are in force on all nodes.",
           "LOG [<count> | RESET]", "    The refusals of this node.", "WHOAMI"},
          reply);
      return true;
    case CommandId::kAclList:
    case CommandId::kAclUsers:
      WriteUsers(row.id == CommandId::kAclList, reply);
      return true;
    case CommandId::kAclLoad:
    case CommandId::kAclSave:
      reply.Error(kNoFile);
      return true;
    case CommandId::kAclLog:
      WriteLog(request, reply);
      return true;
    case CommandId::kAclWhoami:
      reply.Bulk(client_.user()->name());
      return true;
    default:
      return false;
  }
}

void AclCommands::WriteCategories(Arguments request, RespWriter& reply) const {
  if (request.size() > 3) {
    return reply.Error(
        Concat("ERR wrong number of arguments for 'acl|cat' command"));
  }
  if (request.size() == 2) {
    reply.Array(AclCategories().size());
    for (const std::string_view name : AclCategories()) reply.Bulk(name);
    return;
  }
  const auto all = AclCategories();
  const bool known =
      std::any_of(all.begin(), all.end(), [&](std::string_view name) {
        return EqualsIgnoreCase(name, request[2]);
      });
  if (!known) {
    return reply.Error(
        Concat("ERR Unknown category '", request[2].substr(0, 128), "'"));
  }
  std::vector<std::string_view> names;
  for (const CommandRow& row : AllCommands()) {
    if (IsInCategory(row, request[2])) names.push_back(row.name);
  }
  reply.Array(names.size());
  for (const std::string_view name : names) reply.Bulk(name);
}

void AclCommands::WriteDryRun(Arguments request, RespWriter& reply) const {
  const UserRef user = context_.users.Find(request[2]);
  if (user == nullptr) {
    return reply.Error(
        Concat("ERR User '", request[2].substr(0, 128), "' not found"));
  }
  const Arguments tried = request.subspan(3);
  if (FindCommand(tried[0]) == nullptr) {
    return reply.Error(
        Concat("ERR Command '", tried[0].substr(0, 128), "' not found"));
  }
  const CommandLookup lookup = LookUp(tried);
  if (lookup.spec == nullptr) return reply.Error(lookup.error);
  const AclDenial denial = user->Check(*lookup.spec, tried);
  if (denial.allowed()) return reply.Ok();
  reply.Bulk(
      Capitalized(DenialText(*lookup.spec, tried, denial, /*names_key=*/true)));
}

void AclCommands::WritePassword(Arguments request, RespWriter& reply) {
  int64_t bits = 256;
  if (request.size() > 3) {
    return reply.Error(
        "ERR wrong number of arguments for 'acl|genpass' command");
  }
  if (request.size() == 3 && !ParseInteger(request[2], &bits)) {
    return reply.Error("ERR value is not an integer or out of range");
  }
  if (bits <= 0 || bits > kPasswordBitsMax) return reply.Error(kPasswordBits);
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto digits = static_cast<size_t>((bits + 3) / 4);
  const uint64_t draw = context_.random_draws++;
  std::string password;
  for (uint64_t word = 0; password.size() < digits; ++word) {
    uint64_t secret = context_.env.secrets.Bits("node.password", draw, word);
    for (size_t i = 0; i < 16 && password.size() < digits; ++i, secret >>= 4) {
      password.push_back(kDigits[secret & 0xf]);
    }
  }
  reply.Bulk(password);
}

void AclCommands::WriteUser(std::string_view name, RespWriter& reply) const {
  const UserRef user = context_.users.Find(name);
  if (user == nullptr) return reply.Null();
  reply.Map(6);
  reply.Bulk("flags");
  const std::vector<std::string_view> flags = user->Flags();
  reply.Set(flags.size());
  for (const std::string_view flag : flags) reply.Bulk(flag);
  reply.Bulk("passwords");
  reply.Array(user->password_digests().size());
  for (const std::string& digest : user->password_digests()) {
    reply.Bulk(digest);
  }
  WriteRights(user->root(), reply);
  reply.Bulk("selectors");
  reply.Array(user->selectors().size());
  for (const AclSelector& selector : user->selectors()) {
    reply.Map(3);
    WriteRights(selector, reply);
  }
}

void AclCommands::WriteUsers(bool with_rules, RespWriter& reply) const {
  const auto& users = context_.users.all();
  reply.Array(users.size());
  for (const auto& [name, user] : users) {
    with_rules ? reply.Bulk(Concat("user ", name, " ", user->Rules()))
               : reply.Bulk(name);
  }
}

void AclCommands::WriteLog(Arguments request, RespWriter& reply) {
  AclLog& log = context_.users.log();
  int64_t count = kLogEntriesShown;
  if (request.size() > 3) {
    return reply.Error("ERR wrong number of arguments for 'acl|log' command");
  }
  if (request.size() == 3) {
    if (EqualsIgnoreCase(request[2], "reset")) {
      log.Clear();
      return reply.Ok();
    }
    if (!ParseInteger(request[2], &count)) {
      return reply.Error("ERR value is not an integer or out of range");
    }
    count = std::max<int64_t>(count, 0);
  }
  const size_t shown =
      std::min(static_cast<size_t>(count), log.entries().size());
  const MonoTime now = context_.MonoNow();
  reply.Array(shown);
  for (size_t i = 0; i < shown; ++i) {
    const AclLog::Entry& entry = log.entries()[i];
    reply.Map(7);
    reply.Bulk("count");
    reply.Integer(static_cast<int64_t>(entry.count));
    reply.Bulk("reason");
    reply.Bulk(NameOf(entry.reason));
    reply.Bulk("context");
    reply.Bulk(entry.in_transaction ? "multi" : "toplevel");
    reply.Bulk("object");
    reply.Bulk(entry.object);
    reply.Bulk("username");
    reply.Bulk(entry.user);
    reply.Bulk("age-seconds");
    reply.Bulk(FormatSeconds(now - entry.at));
    reply.Bulk("client-info");
    reply.Bulk(entry.client);
  }
}

Handled AclCommands::Change(const CommandRow& row, Arguments request) {
  const bool removes = row.id == CommandId::kAclDeluser;
  const std::string author =
      Concat(client_.user()->name(), " from ", client_.peer_address());
  const uint64_t token = replies_.Push(row.id, ReplyFormat::kStatusOk);
  changing_ = true;
  client_.set_changes_users(true);
  auto done = [this, token, removes](const absl::StatusOr<size_t>& changed) {
    OnChanged(token, removes, changed);
  };
  const Arguments rest = request.subspan(removes ? 2 : 3);
  std::vector<std::string> words(rest.begin(), rest.end());
  if (removes) {
    context_.user_control.DeleteUsers(std::move(words), author,
                                      std::move(done));
  } else {
    context_.user_control.SetUser(std::string(request[2]), std::move(words),
                                  author, std::move(done));
  }
  return Handled::kDone;
}

void AclCommands::OnChanged(uint64_t token, bool counts,
                            const absl::StatusOr<size_t>& changed) {
  changing_ = false;
  client_.set_changes_users(false);
  if (client_.closed()) return replies_.Drop(token);
  replies_.Reply(token, [&](RespWriter& reply) {
    if (changed.ok() && counts) {
      reply.Integer(static_cast<int64_t>(*changed));
    } else if (changed.ok()) {
      reply.Ok();
    } else if (absl::IsUnknown(changed.status())) {
      reply.Error(Concat("UNKNOWN ", Message(changed.status())));
    } else if (absl::IsUnavailable(changed.status())) {
      reply.Error(Concat("CLUSTERDOWN ", Message(changed.status())));
    } else {
      reply.Error(Concat("ERR ", Message(changed.status())));
    }
  });
  client_.WantResume();
}

}  // namespace quorate::node
