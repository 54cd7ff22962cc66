#include "lincheck/formats/jepsen_calls.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lincheck/formats/edn_lists.h"
#include "lincheck/models/value_list.h"

namespace quorate::lincheck {
namespace {

constexpr size_t kEventTextBytesMax = 300;

bool IsPair(const EdnParser& edn, uint32_t index) {
  const EdnNode& node = edn.node(index);
  return node.kind == EdnKind::kVector && node.children == 2;
}

// What begins, and what ends it, among the names that nemeses use.
struct FaultWords {
  std::string_view begins;
  std::string_view ends;
};
constexpr FaultWords kFaultWords[] = {
    {"start", "stop"},   {"kill", "start"},     {"kill", "restart"},
    {"pause", "resume"}, {"partition", "heal"}, {"crash", "recover"},
};

// "start-partition" and "start": what stands behind the word, if `name` begins
// with it.
bool SplitWord(std::string_view name, std::string_view word,
               std::string_view* rest) {
  if (name.substr(0, word.size()) != word) return false;
  *rest = name.substr(word.size());
  return rest->empty() || rest->front() == '-';
}

}  // namespace

JepsenCalls::JepsenCalls(Recording* recording, Vocabulary vocabulary,
                         Options options)
    : recording_(recording),
      vocabulary_(std::move(vocabulary)),
      options_(options),
      pairing_(&recording->history,
               {.processes_go_on = options.processes_go_on}) {
  recording_->failed_cas.observes = options.jepsen.failed_cas_observes;
}

absl::Status JepsenCalls::Take(const EdnParser& edn, const JepsenEntry& entry,
                               Locate locate) {
  const EdnNode& process = edn.node(entry.process);
  const auto at = [&](uint32_t node) { return locate(edn.OffsetOf(node)); };
  if (process.integer < 0 ||
      process.integer > std::numeric_limits<uint32_t>::max()) {
    return BadInput(at(entry.process),
                    "a process is a number from 0 to 4294967295");
  }
  const EdnNode& function = edn.node(entry.function);
  const std::string name(edn.Text(function));
  const FunctionForm* form = vocabulary_.Find(name);
  if (form == nullptr) {
    return BadInput(
        at(entry.function),
        absl::StrCat("the model ", vocabulary_.model(),
                     " has no function :", name, "; it has ",
                     vocabulary_.Names(), " (--model names another)"));
  }
  const auto number = static_cast<uint32_t>(process.integer);
  const std::string_view type = edn.Text(edn.node(entry.type));
  if (type == "invoke") return Invoke(edn, entry, *form, number, locate);
  if (type == "ok" || type == "fail" || type == "info") {
    return End(edn, entry, *form, number, type, locate);
  }
  return BadInput(at(entry.type),
                  absl::StrCat(":", std::string(type),
                               " is none of :invoke, :ok, :fail, :info"));
}

void JepsenCalls::Finish() {
  pairing_.Finish();
  std::stable_sort(recording_->events.begin(), recording_->events.end(),
                   [](const TimelineEvent& a, const TimelineEvent& b) {
                     return a.at < b.at;
                   });
}

uint32_t JepsenCalls::SplitKey(const EdnParser& edn, const JepsenEntry& entry,
                               const FunctionForm& form, bool returned,
                               uint32_t* key) const {
  *key = entry.key;
  const uint32_t value = entry.value;
  if (options_.keys_beside_values || entry.key != kNoNode || value == kNoNode ||
      !IsPair(edn, value)) {
    return value;
  }
  const uint32_t first = value + 1;
  const uint32_t second = edn.node(first).end;
  // Pairs and transactions are vectors themselves; a key is none.
  const bool two = form.argument == ArgumentForm::kPair ||
                   form.argument == ArgumentForm::kFor;
  const bool told = returned && edn.node(second).kind == EdnKind::kBoolean;
  if (two && !told && !IsPair(edn, second)) return value;
  if (form.argument == ArgumentForm::kTriples &&
      edn.node(first).kind == EdnKind::kVector) {
    return value;
  }
  *key = first;
  return second;
}

uint32_t JepsenCalls::PartitionOf(const EdnParser& edn, uint32_t key) {
  if (key == kNoNode) return recording_->history.Partition("");
  const EdnNode& node = edn.node(key);
  if (node.kind == EdnKind::kString) {
    return recording_->history.Partition(edn.String(node, &scratch_));
  }
  return recording_->history.Partition(edn.Print(key));
}

Value JepsenCalls::ToValue(const EdnParser& edn, uint32_t node) {
  if (node == kNoNode) return Value::Nil();
  const EdnNode& form = edn.node(node);
  switch (form.kind) {
    case EdnKind::kNil:
      return Value::Nil();
    case EdnKind::kBoolean:
      return Value::Integer(form.integer);
    case EdnKind::kString:
      return recording_->history.String(edn.String(form, &scratch_));
    case EdnKind::kInteger:
      if (form.integer >= Value::kIntegerMin &&
          form.integer <= Value::kIntegerMax) {
        return Value::Integer(form.integer);
      }
      break;
    default:
      break;
  }
  return recording_->history.String(edn.Print(node));
}

absl::Status JepsenCalls::Invoke(const EdnParser& edn, const JepsenEntry& entry,
                                 const FunctionForm& form, uint32_t process,
                                 Locate locate) {
  uint32_t key = kNoNode;
  const uint32_t value = SplitKey(edn, entry, form, /*returned=*/false, &key);
  Operation op{.invoke = entry.time,
               .client = process,
               .partition = PartitionOf(edn, key),
               .function = form.function};
  const size_t at = edn.OffsetOf(value == kNoNode ? entry.function : value);
  absl::Status status = FillArguments(edn, value, at, form, &op, locate);
  if (!status.ok()) return status;
  return pairing_.Invoke(op, locate(edn.OffsetOf(entry.process)));
}

absl::Status JepsenCalls::FillArguments(const EdnParser& edn, uint32_t value,
                                        size_t at, const FunctionForm& form,
                                        Operation* op, Locate locate) {
  const auto fail = [&](std::string_view what) {
    return BadInput(locate(at), absl::StrCat(":", std::string(form.name),
                                             " takes ", std::string(what)));
  };
  const EdnKind kind = value == kNoNode ? EdnKind::kNil : edn.node(value).kind;
  switch (form.argument) {
    case ArgumentForm::kNone:
      return absl::OkStatus();
    case ArgumentForm::kValue:
      if (value == kNoNode) return fail("a value");
      break;
    case ArgumentForm::kItem:
      if (kind == EdnKind::kNil) return fail("a value that is not nil");
      break;
    case ArgumentForm::kText:
      if (kind != EdnKind::kString) return fail("a string");
      break;
    case ArgumentForm::kInteger:
    case ArgumentForm::kDuration:
      if (kind != EdnKind::kInteger) return fail("an integer");
      break;
    case ArgumentForm::kTriples: {
      std::string list, error = "a transaction has a value";
      if (value == kNoNode || !TriplesOf(edn, value, &list, &error)) {
        return BadInput(locate(at), error);
      }
      return KeepList(list, locate(at), &op->argument);
    }
    case ArgumentForm::kAny:
      if (kind == EdnKind::kNil) return absl::OkStatus();
      if (!IsPair(edn, value)) break;
      [[fallthrough]];
    case ArgumentForm::kFor:
    case ArgumentForm::kPair: {
      if (value == kNoNode || !IsPair(edn, value)) {
        return fail("a pair [expected new]");
      }
      op->expected = ToValue(edn, value + 1);
      op->argument = ToValue(edn, edn.node(value + 1).end);
      if (form.argument == ArgumentForm::kFor && !op->expected.is_integer()) {
        return fail("a pair [duration value]");
      }
      return absl::OkStatus();
    }
  }
  op->argument = ToValue(edn, value);
  if (form.argument == ArgumentForm::kDuration && !op->argument.is_integer()) {
    return fail("an integer of less than 2^61");
  }
  return absl::OkStatus();
}

absl::Status JepsenCalls::KeepList(const std::string& list, Position position,
                                   Value* value) {
  // Models read it with this.
  std::vector<Datum> items;
  if (!ParseList(list, &items)) {
    return BadInput(position, "too large an integer in a list");
  }
  *value = recording_->history.String(list);
  return absl::OkStatus();
}

absl::Status JepsenCalls::End(const EdnParser& edn, const JepsenEntry& entry,
                              const FunctionForm& form, uint32_t process,
                              std::string_view type, Locate locate) {
  const Position position = locate(edn.OffsetOf(entry.process));
  absl::StatusOr<Operation*> found =
      pairing_.Find(process, form.function, position);
  if (!found.ok()) return std::move(found).status();
  Operation* const op = *found;
  if (type == "info") {
    pairing_.Retire(process, position);
    return absl::OkStatus();
  }
  // A result that is a pair has a key in it only if the invocation had one.
  const bool keyed = !recording_->history.partition_name(op->partition).empty();
  uint32_t key = entry.key;
  const uint32_t value =
      keyed ? SplitKey(edn, entry, form, /*returned=*/true, &key) : entry.value;
  if (type == "fail") {
    Fail(edn, entry, value, form, op);
    return absl::OkStatus();
  }
  if (PartitionOf(edn, key) != op->partition) {
    return BadInput(position, absl::StrCat("process ", process,
                                           " returns for another key than it "
                                           "invoked for"));
  }
  const size_t at = edn.OffsetOf(value == kNoNode ? entry.function : value);
  if (options_.returns_repeat && !RepeatsCall(edn, value, form, *op)) {
    return BadInput(locate(at),
                    absl::StrCat("this is not what process ", process,
                                 " invoked the function with in line ",
                                 pairing_.LineOf(process)));
  }
  if (entry.value_may_be_cut && MayHaveBeenLonger(edn, value, form)) {
    return BadInput(locate(at), "this may be the beginning of what was read");
  }
  absl::Status status = FillResult(edn, value, form, at, op, locate);
  if (status.ok()) pairing_.Return(process, entry.time);
  return status;
}

void JepsenCalls::Fail(const EdnParser& edn, const JepsenEntry& entry,
                       uint32_t value, const FunctionForm& form,
                       Operation* op) {
  const bool cas = form.argument == ArgumentForm::kPair;
  if (cas) ++recording_->failed_cas.count;
  // A value that is not the arguments, or an :error, is a reason of its own.
  if (!cas || !options_.jepsen.failed_cas_observes || entry.error != kNoNode ||
      !HasOwnArguments(edn, value, form, *op)) {
    return pairing_.Drop(op->client);
  }
  ++recording_->failed_cas.observed;
  op->result = Value::Integer(0);
  pairing_.Return(op->client, entry.time);
}

bool JepsenCalls::RepeatsCall(const EdnParser& edn, uint32_t value,
                              const FunctionForm& form, const Operation& op) {
  if (value == kNoNode || edn.node(value).kind == EdnKind::kNil) return true;
  if (form.argument == ArgumentForm::kPair) {
    return edn.node(value).kind == EdnKind::kBoolean ||
           HasOwnArguments(edn, value, form, op);
  }
  if (form.result != ResultForm::kNone) return true;
  if (form.argument == ArgumentForm::kFor) {
    return IsPair(edn, value) && ToValue(edn, value + 1) == op.expected &&
           ToValue(edn, edn.node(value + 1).end) == op.argument;
  }
  return ToValue(edn, value) == op.argument;
}

bool JepsenCalls::MayHaveBeenLonger(const EdnParser& edn, uint32_t value,
                                    const FunctionForm& form) const {
  switch (form.result) {
    case ResultForm::kNone:
    case ResultForm::kFlag:
    case ResultForm::kDone:
      return false;  // It tells nothing, or was held against the call.
    case ResultForm::kValue:
      break;
    default:
      return true;
  }
  const std::string text = edn.Print(value);
  const auto grows_into = [&](std::string_view whole) {
    return text.size() < whole.size() && whole.substr(0, text.size()) == text;
  };
  if (grows_into("nil") || grows_into("true") || grows_into("false")) {
    return true;
  }
  const FunctionForm* const incr = vocabulary_.Find("incr");
  return pairing_.Any([&](const Operation& op) {
    // Where something is counted, any number could follow.
    if (incr != nullptr && op.function == incr->function) return true;
    return op.argument.is_integer()
               ? grows_into(absl::StrCat(op.argument.integer()))
               : op.argument.is_string() && grows_into(op.argument.bytes());
  });
}

bool JepsenCalls::HasOwnArguments(const EdnParser& edn, uint32_t value,
                                  const FunctionForm& form,
                                  const Operation& op) {
  return form.argument == ArgumentForm::kPair && value != kNoNode &&
         IsPair(edn, value) && ToValue(edn, value + 1) == op.expected &&
         ToValue(edn, edn.node(value + 1).end) == op.argument;
}

absl::Status JepsenCalls::FillResult(const EdnParser& edn, uint32_t value,
                                     const FunctionForm& form, size_t at,
                                     Operation* op, Locate locate) {
  switch (form.result) {
    case ResultForm::kValue:
      op->result = ToValue(edn, value);
      if (options_.keys_beside_values && op->result.is_nil()) {
        return BadInput(locate(at),
                        "no result: a key without a value reads as \"\"");
      }
      return absl::OkStatus();
    case ResultForm::kFlag:
    case ResultForm::kDone:
      // A value that is a truth value tells; otherwise :ok says that what has
      // to succeed did, and of others nothing.
      if (value != kNoNode && edn.node(value).kind == EdnKind::kBoolean) {
        op->result = Value::Integer(edn.node(value).integer);
      } else if (form.result == ResultForm::kDone) {
        op->result = Value::Integer(1);
      }
      return absl::OkStatus();
    case ResultForm::kToken:
      // Whoever got nothing says :fail.
      if (value == kNoNode || edn.node(value).kind != EdnKind::kInteger) {
        return BadInput(locate(at), "a fencing token, an integer, expected");
      }
      op->result = ToValue(edn, value);
      return absl::OkStatus();
    case ResultForm::kList: {
      std::string list;
      if (value == kNoNode || !ListOf(edn, value, &list)) {
        return BadInput(locate(at), "a vector, list or set expected");
      }
      return KeepList(list, locate(at), &op->result);
    }
    case ResultForm::kTriples: {
      std::string list, error = "a transaction has a value";
      if (value == kNoNode || !TriplesOf(edn, value, &list, &error)) {
        return BadInput(locate(at), error);
      }
      error = WhyNotResultOf(op->argument.bytes(), list);
      if (!error.empty()) return BadInput(locate(at), error);
      return KeepList(list, locate(at), &op->result);
    }
    case ResultForm::kAny:
      if (value != kNoNode && edn.node(value).kind != EdnKind::kNil) {
        op->result = ToValue(edn, value);
      }
      return absl::OkStatus();
    case ResultForm::kInteger:
      return FillInteger(edn, value, form, at, op, locate);
    case ResultForm::kNone:
      // The value repeats the argument.
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status JepsenCalls::FillInteger(const EdnParser& edn, uint32_t value,
                                      const FunctionForm& form, size_t at,
                                      Operation* op, Locate locate) {
  const EdnKind kind = value == kNoNode ? EdnKind::kNil : edn.node(value).kind;
  if (kind == EdnKind::kInteger) {
    const Value result = ToValue(edn, value);
    // What is the argument may stand there to repeat it.
    if (form.argument == ArgumentForm::kNone || result != op->argument) {
      op->result = result;
    }
  } else if (kind != EdnKind::kNil && form.argument == ArgumentForm::kNone) {
    return BadInput(locate(at), "an integer expected");
  }
  return absl::OkStatus();
}

void JepsenCalls::TakeNemesis(const EdnParser& edn, const JepsenEntry& entry) {
  const std::string name(edn.Text(edn.node(entry.function)));
  std::string text = name;
  if (entry.value != kNoNode && edn.node(entry.value).kind != EdnKind::kNil) {
    text = absl::StrCat(name, " ", edn.Print(entry.value));
  }
  if (text.size() > kEventTextBytesMax) {
    // Between two words, so that no character is cut.
    const size_t end = text.find_last_of(' ', kEventTextBytesMax);
    text.resize(end != std::string::npos ? end : name.size());
    text += " …";
  }
  if (CloseFaults(name, entry.time)) return;
  // Each step of a nemesis is told twice, as it begins and when it is done.
  const auto open =
      std::find_if(steps_.begin(), steps_.end(),
                   [&](const Step& step) { return step.name == name; });
  if (open != steps_.end()) {
    recording_->events[open->event].text = text;
    if (!open->fault) steps_.erase(open);
    return;
  }
  std::string_view rest;
  const bool fault = std::any_of(std::begin(kFaultWords), std::end(kFaultWords),
                                 [&](const FaultWords& words) {
                                   return SplitWord(name, words.begins, &rest);
                                 });
  steps_.push_back({name, recording_->events.size(), fault});
  recording_->events.push_back(
      {.kind = fault ? TimelineEvent::Kind::kFault : TimelineEvent::Kind::kNote,
       .at = entry.time,
       .text = text});
}

bool JepsenCalls::CloseFaults(std::string_view name, Time time) {
  bool ends = false;
  for (const FaultWords& words : kFaultWords) {
    std::string_view begun, ended;
    if (!SplitWord(name, words.ends, &ended)) continue;
    // "start" ends a "kill", but begins something where nothing was killed.
    bool begins = words.ends == "start";
    for (size_t i = steps_.size(); i-- > 0;) {
      if (!steps_[i].fault ||
          !SplitWord(steps_[i].name, words.begins, &begun) || begun != ended) {
        continue;
      }
      recording_->events[steps_[i].event].until = time;
      steps_.erase(steps_.begin() + static_cast<ptrdiff_t>(i));
      begins = false;
    }
    ends = ends || !begins;
  }
  return ends;
}

}  // namespace quorate::lincheck
