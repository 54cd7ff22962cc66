#include "node/resp/key_commands.h"

#include "env/parse_integer.h"
#include "env/random.h"
#include "kv/store/store.h"
#include "node/resp/error_text.h"
#include "node/routing/group_leadership.h"

namespace quorate::node {
namespace {

constexpr std::string_view kAtomicCrossSlot =
    "CROSSSLOT Keys in request don't hash to the same slot: MSETNX sets all "
    "keys or none, so all need one hash tag";

}  // namespace

KeyCommands::KeyCommands(Context& context, RespAddress address,
                         RequestSink& sink, DividedCommands& divided,
                         ReplyQueue& replies)
    : context_(context),
      cluster_(address == RespAddress::kCluster),
      sink_(sink),
      divided_(divided),
      replies_(replies) {}

Handled KeyCommands::HandleStamped(
    const CommandRow& row, Arguments request,
    const std::optional<kv::SessionStamp>& session) {
  Translated command;
  Translate(row, request, context_.TranslationRulesNow(), &command);
  // A session has its row in one slot.
  const bool divided =
      command.cross_slot && !session.has_value() && divided_.Divides(row);
  if (!command.error.empty() && !divided) {
    const bool explains = command.cross_slot && !cluster_ &&
                          row.id == CommandId::kMsetnx &&
                          context_.config.limits.cross_slot;
    replies_.ReplyError(row.id, explains ? kAtomicCrossSlot : command.error);
    return Handled::kDone;
  }
  // A cluster client gets MOVED, as from any other replica.
  if (!command.read_only() && context_.cluster.self().read_only && !cluster_) {
    replies_.ReplyError(row.id, kReadOnlyReplica);
    return Handled::kDone;
  }
  if (divided) {
    return divided_.Handle(row, request, command, staleness_max_);
  }
  return Submit(row, command, command.read_only() ? std::nullopt : session);
}

Handled KeyCommands::Submit(const CommandRow& row, const Translated& command,
                            const std::optional<kv::SessionStamp>& session) {
  // A read with a bound needs a new read point of the replica here.
  const bool bounded = command.read_only() && staleness_max_ > Duration() &&
                       staleness_max_ != kAnyStaleness;
  const RoutedRequest routed = {&sink_, replies_.Push(row.id, command.format),
                                cluster_ && !bounded, /*further=*/false,
                                staleness_max_};
  Admission admission;
  if (command.count == 1) {
    kv::CommandSpec spec = command.specs[0];
    spec.session = session;
    admission = context_.router.Add(routed, spec);
  } else {
    admission =
        context_.router.AddAtomic(routed, command.slot, session, command.all());
  }
  if (admission == Admission::kAccepted) return Handled::kDone;
  replies_.PopNewest();
  return Handled::kBlocked;
}

Handled KeyCommands::OpenSession(const CommandRow& row) {
  const uint64_t bits = context_.NewSessionBits();
  replies_.ReplyNow(row.id, [&](RespWriter& reply) {
    reply.Bulk(kv::FormatSessionToken(kv::MakeSessionToken(
        bits, context_.SessionTime(), context_.rules.sessions.open_window)));
  });
  return Handled::kDone;
}

Handled KeyCommands::HandleInSession(const CommandRow& row, Arguments request) {
  const auto token = kv::ParseSessionToken(request[1]);
  uint64_t sequence;
  uint64_t floor;
  if (!token.has_value() || kv::IsKeySession(token->client)) {
    replies_.ReplyError(row.id, "ERR not a session: use QUORATE.SESSION");
    return Handled::kDone;
  }
  if (!ParseInteger(request[2], &sequence) ||
      !ParseInteger(request[3], &floor) || sequence == 0 || floor > sequence) {
    replies_.ReplyError(row.id, "ERR sequence or floor is out of range");
    return Handled::kDone;
  }
  const Arguments inner = request.subspan(4);
  const CommandLookup lookup = LookUp(inner);
  if (lookup.spec == nullptr) {
    replies_.ReplyError(row.id, lookup.error);
    return Handled::kDone;
  }
  if (!IsKeyCommand(*lookup.spec)) {
    replies_.ReplyError(row.id, "ERR only commands on keys run in a session");
    return Handled::kDone;
  }
  return HandleStamped(
      *lookup.spec, inner,
      kv::SessionStamp{*token, kv::Sequence(sequence), kv::Sequence(floor)});
}

}  // namespace quorate::node
