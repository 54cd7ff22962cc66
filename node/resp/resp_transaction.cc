// MULTI, EXEC, DISCARD and WATCH. A transaction is one kAtomic in one entry,
// which checks the watched versions first.
#include <iterator>
#include <utility>

#include "kv/slots/slot.h"
#include "node/base/text.h"
#include "node/resp/resp_session.h"
#include "raft/core/types.h"

namespace quorate::node {
namespace {

constexpr std::string_view kAborted =
    "EXECABORT Transaction discarded because of previous errors.";
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

// Commands that need more than one group or more than one turn.
bool MayNotBeQueued(const CommandRow& row) {
  switch (row.id) {
    case CommandId::kFlushall:
    case CommandId::kFlushdb:
    case CommandId::kDbsize:
    case CommandId::kKeys:
    case CommandId::kScan:
    case CommandId::kRandomkey:
    case CommandId::kClusterCountkeysinslot:
    case CommandId::kClusterGetkeysinslot:
    case CommandId::kQuorateSession:
      return true;
    default:
      return row.Has(kNoMulti);
  }
}

}  // namespace

RespSession::HandleResult RespSession::Multi(Arguments) {
  if (in_transaction_) {
    ReplyError(CommandId::kMulti, "ERR MULTI calls can not be nested");
    return HandleResult::kDone;
  }
  in_transaction_ = true;
  transaction_dirty_ = false;
  ReplyNow(CommandId::kMulti, [](RespWriter& reply) { reply.Ok(); });
  return HandleResult::kDone;
}

RespSession::HandleResult RespSession::Discard() {
  const bool open = in_transaction_;
  if (open) ForgetTransaction();
  ReplyNow(CommandId::kDiscard, [&](RespWriter& reply) {
    open ? reply.Ok() : reply.Error("ERR DISCARD without MULTI");
  });
  return HandleResult::kDone;
}

void RespSession::ForgetTransaction() {
  in_transaction_ = false;
  transaction_dirty_ = false;
  queued_.clear();
  queued_bytes_ = 0;
  watched_.clear();
}

std::string RespSession::QueueError(const CommandRow& row, Arguments request) {
  if (MayNotBeQueued(row)) {
    return "ERR Command not allowed inside a transaction";
  }
  size_t bytes = 0;
  for (const std::string_view argument : request) bytes += argument.size() + 16;
  if (queued_bytes_ + bytes > kQueuedBytesMax) {
    return Concat("ERR transaction is larger than one log entry holds (",
                  kQueuedBytesMax, " bytes)");
  }
  queued_bytes_ += bytes;
  if (!IsKeyCommand(row)) return {};
  const KeyPositions keys = FindKeys(row, request);
  const Slot slot = kv::HashSlot(request[keys.first]);
  for (size_t i = keys.first; i <= keys.last; i += keys.step) {
    if (kv::HashSlot(request[i]) != slot) return std::string(kCrossSlot);
  }
  if (row.Has(kWrite) && context_.config.self().read_only) {
    return "READONLY You can't write against a read only replica.";
  }
  const GroupQueue& queue = context_.router.QueueOf(slot);
  if (cluster() && queue.leadership().kind == Leadership::Kind::kRemote) {
    ++context_.metrics.redirects_moved;
    RequestFailure moved;
    moved.kind = RequestFailure::Kind::kMoved;
    moved.slot = slot;
    moved.leader = queue.leadership().leader;
    return FailureText(moved);
  }
  return {};
}

void RespSession::Queue(const CommandRow& row, Arguments request) {
  const std::string error = QueueError(row, request);
  if (!error.empty()) {
    transaction_dirty_ = true;
    ReplyError(row.id, error);
    return;
  }
  queued_.push_back(
      {&row, std::vector<std::string>(request.begin(), request.end())});
  ReplyNow(row.id, [](RespWriter& reply) { reply.Simple("QUEUED"); });
}

RespSession::HandleResult RespSession::Watch(const CommandRow& row,
                                             Arguments request) {
  if (in_transaction_) {
    ReplyError(row.id, "ERR WATCH inside MULTI is not allowed");
    return HandleResult::kDone;
  }
  const Slot slot = kv::HashSlot(request[1]);
  std::vector<kv::CommandSpec> specs;
  for (size_t i = 1; i < request.size(); ++i) {
    if (kv::HashSlot(request[i]) != slot) {
      ReplyError(row.id, kCrossSlot);
      return HandleResult::kDone;
    }
    if (request[i].size() > context_.config.limits.key_bytes) {
      ReplyError(row.id, KeyTooLong(context_.config.limits));
      return HandleResult::kDone;
    }
    kv::CommandSpec spec;
    spec.op = kv::Op::kWatch;
    spec.slot = slot;
    spec.arguments = request.subspan(i, 1);
    specs.push_back(spec);
  }
  if (watched_.size() + specs.size() > kWatchedMax || !FitOneEntry(specs)) {
    ReplyError(row.id, Concat("ERR more keys are watched than ", kWatchedMax,
                              " or than one log entry holds (",
                              raft::kEntryPayloadBytesMax, " bytes)"));
    return HandleResult::kDone;
  }
  GroupQueue& queue = context_.router.QueueOf(slot);
  const uint64_t token = PushReply(row.id, ReplyFormat::kStatusOk);
  auto watch = std::make_unique<std::vector<Watched>>();
  for (const kv::CommandSpec& spec : specs) {
    watch->push_back({.key = std::string(spec.arguments[0]), .slot = slot});
  }
  PendingOf(token).watch = std::move(watch);
  const RoutedRequest routed = {this, token, cluster()};
  if (queue.AddAtomic(routed, slot, std::nullopt, specs) ==
      Admission::kAccepted) {
    return HandleResult::kDone;
  }
  PopReply();
  return HandleResult::kBlocked;
}

void RespSession::FinishWatch(std::vector<Watched> watch,
                              const kv::ResultView& result, RespWriter& reply) {
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
  std::move(watch.begin(), watch.end(), std::back_inserter(watched_));
  reply.Ok();
}

void RespSession::AddWatchChecks(std::vector<std::string_view>* keys,
                                 std::vector<kv::CommandSpec>* specs) const {
  keys->reserve(watched_.size());  // The checks point to its elements.
  for (const Watched& watched : watched_) {
    keys->push_back(watched.key);
    kv::CommandSpec check;
    check.op = kv::Op::kCheckVersion;
    check.slot = watched.slot;
    check.expected = watched.version;
    if (watched.absent) check.flags = kv::kIfAbsent;
    check.arguments = absl::MakeSpan(&keys->back(), 1);
    specs->push_back(check);
  }
}

RespSession::HandleResult RespSession::Exec(const CommandRow& row) {
  if (!in_transaction_) {
    ReplyError(row.id, "ERR EXEC without MULTI");
    return HandleResult::kDone;
  }
  if (transaction_dirty_) {
    ForgetTransaction();
    ReplyError(row.id, kAborted);
    return HandleResult::kDone;
  }
  auto transaction = std::make_unique<Transaction>();
  std::vector<kv::CommandSpec> specs;
  std::optional<Slot> slot;
  bool cross_slot = false;
  const auto take_slot = [&](Slot other) {
    if (slot.has_value() && *slot != other) cross_slot = true;
    slot = other;
  };
  std::vector<std::string_view> watched_keys;
  AddWatchChecks(&watched_keys, &specs);
  for (const Watched& watched : watched_) take_slot(watched.slot);
  transaction->checks = specs.size();
  // Storage to which the specs point.
  std::vector<std::vector<std::string_view>> requests;
  std::vector<std::unique_ptr<Translated>> commands;
  for (const QueuedCommand& queued : queued_) {
    Step step;
    step.row = queued.row;
    step.local = !IsKeyCommand(*queued.row);
    if (step.local) {
      step.arguments = queued.arguments;
    } else {
      requests.emplace_back(queued.arguments.begin(), queued.arguments.end());
      commands.push_back(std::make_unique<Translated>());
      Translated& command = *commands.back();
      Translate(*queued.row, requests.back(), context_.UnixMs(),
                context_.config.limits, &command);
      step.format = command.format;
      step.error = command.error;
      if (command.error.empty()) {
        take_slot(command.slot);
        const auto all = command.all();
        specs.insert(specs.end(), all.begin(), all.end());
      }
    }
    transaction->steps.push_back(std::move(step));
  }
  if (cross_slot || !FitOneEntry(specs)) {
    ForgetTransaction();
    ReplyError(row.id, cross_slot ? kCrossSlot : kTooLarge);
    return HandleResult::kDone;
  }
  if (!slot.has_value()) {
    ForgetTransaction();
    ReplyNow(row.id, [&](RespWriter& reply) {
      WriteTransaction(*transaction, kv::ResultView{}, reply);
    });
    return HandleResult::kDone;
  }
  const uint64_t token = PushReply(row.id, ReplyFormat::kBulk);
  PendingOf(token).transaction = std::move(transaction);
  const RoutedRequest routed = {this, token, cluster()};
  if (context_.router.QueueOf(*slot).AddAtomic(routed, *slot, std::nullopt,
                                               specs) == Admission::kBlocked) {
    PopReply();
    return HandleResult::kBlocked;
  }
  ForgetTransaction();
  return HandleResult::kDone;
}

void RespSession::WriteTransaction(const Transaction& transaction,
                                   const kv::ResultView& result,
                                   RespWriter& reply) {
  const std::string_view error = ErrorOf(result.status);
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
      const std::vector<std::string_view> request(step.arguments.begin(),
                                                  step.arguments.end());
      if (!WriteLocal(*step.row, request, reply)) {
        reply.Error("ERR Command not allowed inside a transaction");
      }
    } else if (!nested.has_value() || nested->done()) {
      reply.Error(kNoResult);
    } else {
      WriteResult(step.format, nested->Next(), context_.config.limits, reply);
      for (size_t i = 1; i < ResultCount(step.format) && !nested->done(); ++i) {
        nested->Next();
      }
    }
  }
}

}  // namespace quorate::node
