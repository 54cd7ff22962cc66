#include "node/resp/group_commands.h"

#include <algorithm>
#include <utility>

#include "env/check.h"
#include "env/parse_integer.h"
#include "kv/store/store.h"
#include "node/base/text.h"
#include "node/pages/info_page.h"
#include "node/resp/error_text.h"

namespace quorate::node {
namespace {

// Keys with an expiry in this node's replicas of the groups that INFO covers:
// for cluster clients those that the node leads, otherwise all. Returns nullopt
// if a group has no replica here. A replica may lag behind.
std::optional<int64_t> ExpiringKeys(const Context& context, bool cluster) {
  context.work.Add(context.router.queues().size() / TurnWork::kGroupsPerUnit);
  int64_t keys = 0;
  for (const auto& queue : context.router.queues()) {
    if (cluster && queue->leadership().kind != Leadership::Kind::kSelf) {
      continue;
    }
    const kv::Store* store = queue->store();
    if (store == nullptr) return std::nullopt;
    keys += static_cast<int64_t>(store->expiring_key_count());
  }
  return keys;
}

// The slots that one command flushes. An entry flushes them in about a
// millisecond, however many keys they have.
constexpr uint32_t kFlushedSlotsMax = 2'048;

// Divides ranges of slots into such of at most kFlushedSlotsMax.
std::vector<GroupQuestions::Covered> InPieces(
    const std::vector<GroupQuestions::Covered>& covered) {
  std::vector<GroupQuestions::Covered> pieces;
  for (const GroupQuestions::Covered& part : covered) {
    const uint32_t end = uint32_t{part.slots.last.value()} + 1;
    for (uint32_t first = part.slots.first.value(); first < end;
         first += kFlushedSlotsMax) {
      const uint32_t last = std::min(first + kFlushedSlotsMax, end) - 1;
      pieces.push_back({.slots = {Slot(static_cast<uint16_t>(first)),
                                  Slot(static_cast<uint16_t>(last))},
                        .may_lead = part.may_lead});
    }
  }
  return pieces;
}

}  // namespace

GroupCommands::GroupCommands(Context& context, ClientConnection& client,
                             RespAddress address, GroupQuestions& questions,
                             ReplyQueue& replies)
    : context_(context),
      client_(client),
      address_(address),
      questions_(questions),
      replies_(replies) {}

Handled GroupCommands::FlushAll(const CommandRow& row, Arguments request) {
  if (request.size() > 2 ||
      (request.size() == 2 && !EqualsIgnoreCase(request[1], "async") &&
       !EqualsIgnoreCase(request[1], "sync"))) {
    replies_.ReplyError(row.id, "ERR syntax error");
    return Handled::kDone;
  }
  if (context_.cluster.self().read_only) {
    replies_.ReplyError(row.id, kReadOnlyReplica);
    return Handled::kDone;
  }
  const std::vector<GroupQuestions::Covered> covered =
      InPieces(questions_.CoveredSlots());
  if (covered.empty()) {
    replies_.ReplyNow(row.id, [](RespWriter& reply) { reply.Ok(); });
  } else {
    QueryEach(row, ReplyFormat::kStatusOk, covered, kv::Op::kFlush);
  }
  return Handled::kDone;
}

Handled GroupCommands::CountKeys(const CommandRow& row) {
  const std::vector<GroupQuestions::Covered> covered =
      questions_.CoveredSlots();
  if (covered.empty()) {
    replies_.ReplyNow(row.id, [](RespWriter& reply) { reply.Integer(0); });
  } else {
    QueryEach(row, ReplyFormat::kSum, covered, kv::Op::kKeyCount);
  }
  return Handled::kDone;
}

// Every node answers for every slot by asking the slot's group.
Handled GroupCommands::CountKeysInSlot(const CommandRow& row,
                                       Arguments request) {
  int64_t number = 0;
  std::string_view error;
  if (address_ != RespAddress::kCluster) {
    error = kClusterDisabled;
  } else if (!ParseInteger(request[2], &number)) {
    error = "ERR value is not an integer or out of range";
  } else if (number < 0 || number >= context_.slots().slot_count()) {
    error = "ERR Invalid slot";
  }
  if (!error.empty()) {
    replies_.ReplyError(row.id, error);
    return Handled::kDone;
  }
  const Slot slot(static_cast<uint16_t>(number));
  QueryEach(row, ReplyFormat::kSum, {{.slots = {slot, slot}}},
            kv::Op::kKeyCount, /*info_sections=*/{}, /*everywhere=*/true);
  return Handled::kDone;
}

Handled GroupCommands::Info(const CommandRow& row, Arguments request) {
  const Arguments sections = request.subspan(1);
  const std::vector<GroupQuestions::Covered> covered =
      questions_.CoveredSlots();
  if (covered.empty()) {
    replies_.ReplyNow(row.id, [&](RespWriter& reply) {
      WriteInfo(sections, /*keys=*/0, /*error=*/"", reply);
    });
  } else {
    QueryEach(row, ReplyFormat::kSum, covered, kv::Op::kKeyCount,
              std::vector<std::string>(sections.begin(), sections.end()));
  }
  return Handled::kDone;
}

void GroupCommands::QueryEach(
    const CommandRow& row, ReplyFormat format,
    const std::vector<GroupQuestions::Covered>& covered, kv::Op op,
    std::optional<std::vector<std::string>> info_sections, bool everywhere) {
  CHECK(!running_.has_value()) << row.name;
  const auto group_of = [&](const GroupQuestions::Covered& part) {
    return context_.router.QueueOf(part.slots.first).group();
  };
  running_ = {
      .token = replies_.Push(row.id, format),
      .format = format,
      .version = replies_.version(),
      .op = op,
      .due = covered.size(),
      .everywhere = everywhere,
      .several_groups = std::ranges::any_of(covered,
                                            [&](const auto& part) {
                                              return group_of(part) !=
                                                     group_of(covered.front());
                                            }),
      .deadline = context_.MonoNow() + context_.config.timeouts.leader_wait,
      .info_sections = std::move(info_sections)};
  for (const GroupQuestions::Covered& part : covered) {
    running_->parts.push_back(part.slots);
  }
  questions_.BeginCommand();
  // The last answer may come during the last call.
  for (uint64_t part = 0; part < covered.size(); ++part) {
    Ask(part, covered[part]);
  }
}

void GroupCommands::Ask(uint64_t part, const GroupQuestions::Covered& slots) {
  kv::CommandSpec spec;
  spec.op = running_->op;
  spec.slot = slots.slots.first;
  spec.numbers = {slots.slots.first.value(), slots.slots.last.value()};
  client_.AddWork(TurnWork::kRequest +
                  slots.slots.size() / TurnWork::kSlotsPerUnit);
  questions_.Query(running_->token + part, spec, slots.may_lead);
}

// The slots of all questions are disjoint, so each slot is counted, or flushed,
// by the answer of one group. Keys that move meanwhile are there or here.
void GroupCommands::AskRefused() {
  if (client_.closed()) {
    for (size_t left = running_->refused.size(); left > 0; --left) {
      const bool last = running_->due == 1;
      OnResult(running_->token, kv::ResultView{});
      if (last) return;
    }
    return;
  }
  std::vector<std::pair<uint64_t, GroupQuestions::Covered>> questions;
  size_t uncovered = 0;
  for (const uint64_t part : std::exchange(running_->refused, {})) {
    const SlotRange slots = running_->parts[part];
    const std::vector<GroupQuestions::Covered> covered =
        running_->everywhere
            ? std::vector<GroupQuestions::Covered>{{.slots = slots}}
            : questions_.CoveredIn(slots);
    if (covered.empty()) ++uncovered;
    for (size_t i = 0; i < covered.size(); ++i) {
      uint64_t at = part;
      if (i > 0) {
        at = running_->parts.size();
        running_->parts.emplace_back();
        ++running_->due;
      }
      running_->parts[at] = covered[i].slots;
      questions.emplace_back(at, covered[i]);
    }
  }
  CHECK_LE(running_->parts.size(), ReplyQueue::kPartsMax);
  questions_.BeginCommand();
  for (const auto& [part, slots] : questions) Ask(part, slots);
  // Other nodes answer for these slots now.
  for (; uncovered > 0; --uncovered) {
    OnResult(running_->token, kv::ResultView{});
  }
}

void GroupCommands::OnResult(uint64_t token, const kv::ResultView& result) {
  if (result.status == kv::ResultStatus::kNotOwner && !client_.closed() &&
      context_.MonoNow() < running_->deadline) {
    running_->refused.push_back(token - running_->token);
    return questions_.AskSoon([this] { AskRefused(); });
  }
  if (client_.closed()) {
    if (--running_->due > 0) return;
    const uint64_t token = running_->token;
    running_.reset();
    return replies_.Drop(token);
  }
  Running& running = *running_;
  running.sum += result.integer;
  const std::string_view error = ErrorOf(result.status);
  running.any_executed = running.any_executed || error.empty();
  if (running.format == ReplyFormat::kStatusOk && !error.empty()) {
    // The reply depends on what the other parts did.
    if (running.error.empty()) running.error = error;
    return EndPart();
  }
  if (running.reply.empty() && (running.due == 1 || !error.empty())) {
    RespWriter reply(&running.reply, running.version);
    if (running.info_sections.has_value()) {
      WriteInfoOf(running, error, reply);
    } else if (running.format == ReplyFormat::kSum && error.empty()) {
      reply.Integer(running.sum);
    } else {
      WriteResult(running.format, result, context_.config.bounds, reply);
    }
  }
  EndPart();
}

void GroupCommands::OnFailure(const RequestFailure& failure) {
  if (failure.kind == RequestFailure::Kind::kMoved) {
    // Another node leads the group, and counts its keys.
    return OnResult(running_->token, kv::ResultView{});
  }
  Running& running = *running_;
  if (running.format == ReplyFormat::kStatusOk) {
    // The error depends on what the other parts did.
    if (failure.kind == RequestFailure::Kind::kUnknown) {
      running.any_executed = true;
    }
    if (!running.failure.has_value()) running.failure = failure;
  } else if (running.reply.empty()) {
    RespWriter reply(&running.reply, running.version);
    const std::string error = GroupFailureText(context_, failure);
    if (running.info_sections.has_value()) {
      WriteInfoOf(running, error, reply);
    } else {
      reply.Error(error);
    }
  }
  EndPart();
}

void GroupCommands::EndPart() {
  if (--running_->due > 0) return;
  Running done = *std::exchange(running_, std::nullopt);
  if (done.failure.has_value()) {
    done.reply.clear();
    RespWriter(&done.reply, done.version)
        .Error(FlushFailureText(
            context_, done.several_groups || done.any_executed, *done.failure));
  } else if (!done.error.empty()) {
    done.reply.clear();
    RespWriter(&done.reply, done.version)
        .Error(done.any_executed ? DividedFailureText(done.error) : done.error);
  }
  replies_.Reply(done.token, [&](RespWriter& reply) { reply.Raw(done.reply); });
}

void GroupCommands::WriteInfoOf(const Running& info, std::string_view error,
                                RespWriter& reply) const {
  const std::vector<std::string_view> sections(info.info_sections->begin(),
                                               info.info_sections->end());
  WriteInfo(sections, info.sum, error, reply);
}

void GroupCommands::WriteInfo(Arguments sections, int64_t keys,
                              std::string_view error, RespWriter& reply) const {
  InfoView view = {address_};
  if (!error.empty()) {
    view.keyspace = Concat("db0_error:", error, "\r\n");
  } else if (keys > 0) {
    view.keyspace = Concat("db0:keys=", keys);
    const bool cluster = address_ == RespAddress::kCluster;
    if (const auto expiring = ExpiringKeys(context_, cluster)) {
      Append(&view.keyspace, ",expires=", std::min(*expiring, keys));
    }
    view.keyspace += ",avg_ttl=0\r\n";
  }
  reply.Verbatim(InfoText(context_, view, sections));
}

}  // namespace quorate::node
