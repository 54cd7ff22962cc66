#include "node/resp/resp_transaction.h"

#include <iterator>
#include <utility>

#include "env/check.h"
#include "node/base/text.h"
#include "node/resp/error_text.h"
#include "raft/core/types.h"

namespace quorate::node {
namespace {

constexpr std::string_view kAborted =
    "EXECABORT Transaction discarded because of previous errors.";
constexpr std::string_view kOtherSlot =
    "CROSSSLOT Keys of a transaction, watched keys included, must hash to the "
    "same slot";
// EXEC would announce more replies than it sends.
constexpr std::string_view kClientReplyInMulti =
    "ERR CLIENT REPLY OFF and SKIP are not allowed inside a transaction, nor "
    "is ON while replies are off";
constexpr std::string_view kTooLarge =
    "ERR transaction is larger than one log entry holds";
// Space for stamps, checks and headers in addition to the commands.
constexpr size_t kQueuedBytesMax = raft::kEntryPayloadBytesMax * 3 / 4;

// The most keys that one connection watches.
constexpr size_t kWatchedMax = 8'192;

bool FitOneEntry(absl::Span<const kv::CommandSpec> specs) {
  size_t bytes = 128;
  for (const kv::CommandSpec& spec : specs) {
    bytes += kv::BatchBuilder::EncodedSize(spec);
  }
  return bytes <= raft::kEntryPayloadBytesMax;
}

// EXEC writes all its replies in one turn. A command without keys is counted
// with this size of its reply, so that few of them fit a transaction.
constexpr size_t kLocalReplyBytes = 512;

// Commands on keys, and commands without keys that have short replies. All
// others need several groups, several turns, or write a page.
bool MayBeQueued(const CommandRow& row) {
  switch (row.id) {
    case CommandId::kUnwatch:
    case CommandId::kPing:
    case CommandId::kEcho:
    case CommandId::kHello:
    case CommandId::kAuth:
    case CommandId::kSelect:
    case CommandId::kClientId:
    case CommandId::kClientSetname:
    case CommandId::kClientGetname:
    case CommandId::kClientSetinfo:
    case CommandId::kClientNoEvict:
    case CommandId::kClientNoTouch:
    case CommandId::kClientReply:
    case CommandId::kClientTracking:
    case CommandId::kClientTrackinginfo:
    case CommandId::kClientCaching:
    case CommandId::kClientGetredir:
    case CommandId::kClientPause:
    case CommandId::kClientUnpause:
    case CommandId::kClientUnblock:
    case CommandId::kCommandCount:
    case CommandId::kReadonly:
    case CommandId::kReadwrite:
    case CommandId::kAsking:
    case CommandId::kTime:
    case CommandId::kWait:
    case CommandId::kLastsave:
    case CommandId::kClusterMyid:
    case CommandId::kClusterMyshardid:
    case CommandId::kClusterKeyslot:
      return true;
    default:
      return IsKeyCommand(row);
  }
}

}  // namespace

RespTransaction::RespTransaction(Context& context, RespAddress address,
                                 RequestSink& sink, ReplyQueue& replies,
                                 WriteLocal write_local)
    : context_(context),
      cluster_(address == RespAddress::kCluster),
      sink_(sink),
      replies_(replies),
      write_local_(std::move(write_local)) {}

Handled RespTransaction::Multi() {
  if (open_) {
    replies_.ReplyError(CommandId::kMulti, "ERR MULTI calls can not be nested");
    return Handled::kDone;
  }
  open_ = true;
  invalid_ = false;
  replies_.ReplyNow(CommandId::kMulti, [](RespWriter& reply) { reply.Ok(); });
  return Handled::kDone;
}

Handled RespTransaction::Discard() {
  const bool open = open_;
  if (open) Forget();
  replies_.ReplyNow(CommandId::kDiscard, [&](RespWriter& reply) {
    open ? reply.Ok() : reply.Error("ERR DISCARD without MULTI");
  });
  return Handled::kDone;
}

void RespTransaction::Forget() {
  open_ = false;
  invalid_ = false;
  queued_.clear();
  queued_bytes_ = 0;
  queued_memory_bytes_ = 0;
  named_keys_ = 0;
  queued_slot_.reset();
  Unwatch();
}

bool RespTransaction::StopsReplies(std::string_view mode) const {
  if (EqualsIgnoreCase(mode, "on")) return replies_.silent();
  return EqualsIgnoreCase(mode, "off") || EqualsIgnoreCase(mode, "skip");
}

std::string RespTransaction::QueueError(const CommandRow& row,
                                        Arguments request) {
  if (!MayBeQueued(row)) {
    return "ERR Command not allowed inside a transaction";
  }
  if (row.id == CommandId::kClientReply && StopsReplies(request[2])) {
    return std::string(kClientReplyInMulti);
  }
  size_t bytes = IsKeyCommand(row) ? 0 : kLocalReplyBytes;
  for (const std::string_view argument : request) bytes += argument.size() + 16;
  if (queued_bytes_ + bytes > kQueuedBytesMax) {
    return Concat("ERR transaction is larger than one log entry holds (",
                  kQueuedBytesMax, " bytes)");
  }
  queued_bytes_ += bytes;
  if (!IsKeyCommand(row)) return {};
  const KeyPositions keys = FindKeys(row, request);
  if (named_keys_ + keys.count() > kv::kEntryKeysMax) {
    return Concat("ERR a transaction names at most ", kv::kEntryKeysMax,
                  " keys");
  }
  named_keys_ += keys.count();
  const std::optional<Slot> slot =
      context_.slots().CommonSlot(request, keys.first, keys.last, keys.step);
  if (!slot.has_value()) return std::string(kCrossSlot);
  return SlotError(row, *slot);
}

std::string RespTransaction::SlotError(const CommandRow& row, Slot slot) {
  if (this->slot().value_or(slot) != slot) return std::string(kOtherSlot);
  queued_slot_ = slot;
  if (row.Has(kWrite) && context_.cluster.self().read_only && !cluster_) {
    return std::string(kReadOnlyReplica);
  }
  const GroupQueue& queue = context_.router.QueueOf(slot);
  if (cluster_ && queue.leadership().kind == Leadership::Kind::kRemote) {
    ++context_.metrics.redirects_moved;
    RequestFailure moved;
    moved.kind = RequestFailure::Kind::kMoved;
    moved.slot = slot;
    moved.leader = queue.leadership().leader;
    return FailureText(context_, moved);
  }
  return {};
}

void RespTransaction::Queue(const CommandRow& row, Arguments request) {
  const std::string error = QueueError(row, request);
  if (!error.empty()) {
    invalid_ = true;
    replies_.ReplyError(row.id, error);
    return;
  }
  queued_.push_back({&row, OwnedRequest(request)});
  queued_memory_bytes_ +=
      sizeof(QueuedCommand) + queued_.back().request.size_bytes();
  replies_.ReplyNow(row.id, [](RespWriter& reply) { reply.Simple("QUEUED"); });
}

Handled RespTransaction::Watch(const CommandRow& row, Arguments request) {
  if (open_) {
    replies_.ReplyError(row.id, "ERR WATCH inside MULTI is not allowed");
    return Handled::kDone;
  }
  const auto refuse_too_many = [&] {
    replies_.ReplyError(
        row.id, Concat("ERR a connection watches at most ", kWatchedMax,
                       " keys of ", kQueuedBytesMax,
                       " bytes together. UNWATCH the earlier ones, or watch "
                       "one key that every writer changes"));
    return Handled::kDone;
  };
  // The count comes first: a request may name very many keys.
  if (watched_.size() + request.size() - 1 > kWatchedMax) {
    return refuse_too_many();
  }
  // All keys of one transaction are of one slot.
  const Slot slot = this->slot().value_or(context_.slots().SlotOf(request[1]));
  std::vector<kv::CommandSpec> specs;
  size_t bytes = 0;
  for (size_t i = 1; i < request.size(); ++i) {
    if (context_.slots().SlotOf(request[i]) != slot) {
      replies_.ReplyError(row.id, kOtherSlot);
      return Handled::kDone;
    }
    if (request[i].size() > context_.config.bounds.key_bytes) {
      replies_.ReplyError(row.id, KeyTooLong(context_.config.bounds));
      return Handled::kDone;
    }
    kv::CommandSpec spec;
    spec.op = kv::Op::kWatch;
    spec.slot = slot;
    spec.arguments = request.subspan(i, 1);
    specs.push_back(spec);
    bytes += request[i].size();
  }
  if (watched_bytes_ + bytes > kQueuedBytesMax || !FitOneEntry(specs)) {
    return refuse_too_many();
  }
  std::vector<Watched> watch;
  for (const kv::CommandSpec& spec : specs) {
    watch.push_back({.key = std::string(spec.arguments[0]), .slot = slot});
  }
  const uint64_t token = replies_.Push(
      row.id, ReplyFormat::kStatusOk,
      [this, watch = std::move(watch)](const kv::ResultView& result,
                                       RespWriter& reply) mutable {
        FinishWatch(std::move(watch), result, reply);
      });
  const RoutedRequest routed = {&sink_, token, cluster_};
  if (context_.router.AddAtomic(routed, slot, std::nullopt, specs) ==
      Admission::kAccepted) {
    return Handled::kDone;
  }
  replies_.PopNewest();
  return Handled::kBlocked;
}

void RespTransaction::FinishWatch(std::vector<Watched> watch,
                                  const kv::ResultView& result,
                                  RespWriter& reply) {
  std::string_view error = ErrorOf(result.status);
  kv::ResultReader nested = kv::ResultReader::Nested(result);
  if (error.empty() && nested.count() != watch.size()) error = kNoResult;
  for (size_t i = 0; i < watch.size() && error.empty(); ++i) {
    const kv::ResultView found = nested.Next();
    error = ErrorOf(found.status);
    watch[i].absent = found.status == kv::ResultStatus::kNil;
    watch[i].version = found.version;
  }
  if (!error.empty()) return reply.Error(error);
  for (const Watched& watched : watch) watched_bytes_ += watched.key.size();
  std::move(watch.begin(), watch.end(), std::back_inserter(watched_));
  reply.Ok();
}

void RespTransaction::AddWatchChecks(Specs* specs) const {
  // The checks point to its elements.
  specs->watched_keys.reserve(watched_.size());
  for (const Watched& watched : watched_) {
    specs->watched_keys.push_back(watched.key);
    kv::CommandSpec check;
    check.op = kv::Op::kCheckVersion;
    check.slot = watched.slot;
    check.expected = watched.version;
    if (watched.absent) check.flags = kv::kIfAbsent;
    check.arguments = absl::MakeSpan(&specs->watched_keys.back(), 1);
    specs->all.push_back(check);
  }
}

uint64_t RespTransaction::ExecWork() const {
  uint64_t arguments = watched_.size();
  for (const QueuedCommand& queued : queued_) {
    arguments += queued.request.view().size();
  }
  return arguments * TurnWork::kExecArgument;
}

RespTransaction::Step RespTransaction::AddCommand(const QueuedCommand& queued,
                                                  Specs* specs) const {
  Step step;
  step.row = queued.row;
  step.local = !IsKeyCommand(*queued.row);
  if (step.local) {
    step.request = OwnedRequest(queued.request.view());
    return step;
  }
  specs->commands.push_back(std::make_unique<Translated>());
  Translated& command = *specs->commands.back();
  Translate(*queued.row, queued.request.view(), context_.TranslationRulesNow(),
            &command);
  step.format = command.format;
  step.error = command.error;
  if (command.error.empty()) {
    CHECK_EQ(command.slot, *slot()) << queued.row->name;
    const auto all = command.all();
    specs->all.insert(specs->all.end(), all.begin(), all.end());
  }
  return step;
}

Handled RespTransaction::Exec(const CommandRow& row) {
  if (!open_) {
    replies_.ReplyError(row.id, "ERR EXEC without MULTI");
    return Handled::kDone;
  }
  if (invalid_) {
    Forget();
    replies_.ReplyError(row.id, kAborted);
    return Handled::kDone;
  }
  Specs specs;
  Submitted submitted;
  AddWatchChecks(&specs);
  submitted.checks = specs.all.size();
  size_t kept_bytes = queued_.size() * sizeof(Step);
  bool holds = false;
  for (const QueuedCommand& queued : queued_) {
    const Step& step = submitted.steps.emplace_back(AddCommand(queued, &specs));
    kept_bytes += step.error.size() + step.request.size_bytes();
    holds = holds || step.local;
  }
  if (!FitOneEntry(specs.all)) {
    Forget();
    replies_.ReplyError(row.id, kTooLarge);
    return Handled::kDone;
  }
  if (specs.all.empty()) {
    Forget();
    replies_.ReplyNow(row.id, [&](RespWriter& reply) {
      Write(submitted, kv::ResultView{}, reply);
    });
    return Handled::kDone;
  }
  const uint64_t token = replies_.Push(
      row.id, ReplyFormat::kBulk,
      [this, submitted = std::move(submitted)](const kv::ResultView& result,
                                               RespWriter& reply) {
        Write(submitted, result, reply);
      },
      kept_bytes);
  const RoutedRequest routed = {&sink_, token, cluster_};
  if (context_.router.AddAtomic(routed, *slot(), std::nullopt, specs.all) ==
      Admission::kBlocked) {
    replies_.PopNewest();
    return Handled::kBlocked;
  }
  if (holds) holding_token_ = token;
  Forget();
  return Handled::kDone;
}

void RespTransaction::Write(const Submitted& transaction,
                            const kv::ResultView& result, RespWriter& reply) {
  const std::string_view error = ErrorOf(result.status);
  if (result.status == kv::ResultStatus::kOutOfMemory) {
    reply.Error(Concat("EXECABORT Transaction discarded because of: ", error));
    return;
  }
  if (result.status == kv::ResultStatus::kTooLarge) {
    reply.Error(Concat(
        "EXECABORT Transaction discarded because of: ERR its commands copy "
        "more than ",
        context_.config.limits.transaction_bytes,
        " bytes of values (limits.transaction_bytes of the leader's node)"));
    return;
  }
  if (!error.empty()) {
    reply.Error(error);
    return;
  }
  if (result.status == kv::ResultStatus::kConditionFailed) {
    reply.NullArray();
    return;
  }
  std::optional<kv::ResultReader> nested;
  if (result.kind == kv::PayloadKind::kNested) {
    nested = kv::ResultReader::Nested(result);
    for (size_t i = 0; i < transaction.checks && !nested->done(); ++i) {
      nested->Next();
    }
  }
  reply.Array(transaction.steps.size());
  for (const Step& step : transaction.steps) {
    if (!step.error.empty()) {
      reply.Error(step.error);
    } else if (step.local) {
      if (!write_local_(*step.row, step.request.view(), reply)) {
        reply.Error("ERR Command not allowed inside a transaction");
      }
    } else if (!nested.has_value() || nested->done()) {
      reply.Error(kNoResult);
    } else {
      WriteResult(step.format, nested->Next(), context_.config.bounds, reply);
      for (size_t i = 1; i < ResultCount(step.format) && !nested->done(); ++i) {
        nested->Next();
      }
    }
  }
}

}  // namespace quorate::node
