#include "lincheck/formats/jepsen_calls.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lincheck/formats/edn_lists.h"
#include "lincheck/models/value_list.h"
#include "lincheck/text/words.h"

namespace quorate::lincheck {
namespace {

constexpr size_t kEventTextBytesMax = 300;

EdnKind KindOf(const EdnParser& edn, uint32_t value) {
  return value == kNoNode ? EdnKind::kNil : edn.node(value).kind;
}

EdnKind ShapeOf(EdnKind kind) {
  return kind == EdnKind::kList ? EdnKind::kVector : kind;
}

std::string_view CollectionName(EdnKind kind) {
  switch (kind) {
    case EdnKind::kVector:
      return "a vector";
    case EdnKind::kMap:
      return "a map";
    case EdnKind::kSet:
      return "a set";
    default:
      return "";
  }
}

bool IsTransaction(const EdnParser& edn, uint32_t value) {
  std::string list, error;
  return edn.node(value).children > 0 && TriplesOf(edn, value, &list, &error);
}

// Pairs of names that nemeses use: the first begins a fault, the second ends
// it.
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

bool IsPair(const EdnParser& edn, uint32_t node) {
  return edn.node(node).kind == EdnKind::kVector &&
         edn.node(node).children == 2;
}

JepsenEntry EntryOf(const EdnParser& edn, uint32_t map, uint32_t* twice) {
  JepsenEntry entry;
  const std::pair<std::string_view, uint32_t*> fields[] = {
      {"process", &entry.process}, {"type", &entry.type},
      {"f", &entry.function},      {"value", &entry.value},
      {"key", &entry.key},         {"error", &entry.error},
      {"time", &entry.moment},     {"index", &entry.index}};
  for (uint32_t name = map + 1; name < edn.node(map).end;) {
    const uint32_t value = edn.node(name).end;
    for (const auto& [keyword, field] : fields) {
      if (!edn.IsKeyword(name, keyword)) continue;
      if (*field != kNoNode) *twice = name;
      *field = value;
    }
    name = edn.node(value).end;
  }
  return entry;
}

JepsenCalls::JepsenCalls(Recording* recording, Vocabulary vocabulary,
                         Options options)
    : recording_(recording),
      vocabulary_(std::move(vocabulary)),
      options_(options),
      pairing_(&recording->history, options.map_lines) {
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

absl::Status JepsenCalls::Finish() {
  pairing_.Finish();
  std::stable_sort(recording_->events.begin(), recording_->events.end(),
                   [](const TimelineEvent& a, const TimelineEvent& b) {
                     return a.at < b.at;
                   });
  absl::Status status = CheckShapes(shapes_, "");
  for (const auto& [key, shapes] : key_shapes_) {
    if (!status.ok()) break;
    status = CheckShapes(shapes, absl::StrCat(" to the key ", key));
  }
  return status;
}

bool JepsenCalls::SplitKey(const EdnParser& edn, const JepsenEntry& entry,
                           uint32_t* key, uint32_t* value) const {
  *key = entry.key;
  *value = entry.value;
  if (!options_.independent) return true;
  if (entry.key != kNoNode || entry.value == kNoNode ||
      !IsPair(edn, entry.value)) {
    return false;
  }
  *key = entry.value + 1;
  *value = edn.node(*key).end;
  return true;
}

std::string JepsenCalls::KeyName(const EdnParser& edn, uint32_t key,
                                 bool* is_string) {
  *is_string = key != kNoNode && edn.node(key).kind == EdnKind::kString;
  if (key == kNoNode) return "";
  return *is_string ? std::string(edn.String(edn.node(key), &scratch_))
                    : edn.Print(key);
}

absl::StatusOr<uint32_t> JepsenCalls::PartitionOf(const EdnParser& edn,
                                                  uint32_t key, Locate locate) {
  bool is_string = false;
  const std::string name = KeyName(edn, key, &is_string);
  const uint32_t partition = recording_->history.Partition(name);
  if (partition == string_keys_.size()) string_keys_.push_back(is_string);
  if (string_keys_[partition] != is_string) {
    return BadInput(locate(edn.OffsetOf(key)),
                    absl::StrCat("the key ", name,
                                 " is a string in one entry and none in "
                                 "another: write it in one way"));
  }
  return partition;
}

Value JepsenCalls::ToValue(const EdnParser& edn, uint32_t node) {
  return node == kNoNode ? Value::Nil()
                         : ValueOf(DatumOf(edn, node), &recording_->history);
}

absl::Status JepsenCalls::Invoke(const EdnParser& edn, const JepsenEntry& entry,
                                 const FunctionForm& form, uint32_t process,
                                 Locate locate) {
  uint32_t key = kNoNode;
  uint32_t value = kNoNode;
  const bool split = SplitKey(edn, entry, &key, &value);
  const size_t at = edn.OffsetOf(value == kNoNode ? entry.function : value);
  if (!split) return BadInput(locate(at), "a pair [key value] expected");
  const bool transacts = form.argument == ArgumentForm::kTriples ||
                         form.argument == ArgumentForm::kAny;
  for (const uint32_t node : {entry.value, value}) {
    if (transacts || node == kNoNode || !IsTransaction(edn, node)) continue;
    return BadInput(locate(at),
                    absl::StrCat(":", std::string(form.name),
                                 " takes no transaction; the function of a "
                                 "transaction is :txn"));
  }
  const absl::StatusOr<uint32_t> partition = PartitionOf(edn, key, locate);
  if (!partition.ok()) return partition.status();
  Operation op{.invoke = entry.time,
               .client = process,
               .partition = *partition,
               .function = form.function};
  absl::Status status = FillArguments(edn, value, at, form, &op, locate);
  if (!status.ok()) return status;
  return pairing_.Invoke(op, locate(edn.OffsetOf(entry.process)));
}

absl::Status JepsenCalls::FillForetold(const EdnParser& edn, uint32_t value,
                                       size_t at, const FunctionForm& form,
                                       Operation* op, Locate locate) {
  if (KindOf(edn, value) == EdnKind::kNil) return absl::OkStatus();
  const bool foretells =
      form.result == ResultForm::kValue || form.result == ResultForm::kInteger;
  // A read of the key in front of it.
  const bool keyed = options_.jepsen.keys == KeyForm::kAuto &&
                     !options_.independent && IsPair(edn, value) &&
                     edn.node(edn.node(value + 1).end).kind == EdnKind::kNil;
  if (!foretells || keyed) {
    return BadInput(locate(at), absl::StrCat(":", std::string(form.name),
                                             " takes no value: nil expected"));
  }
  // An analysed history has results in its invocations, too.
  op->result = ToValue(edn, value);
  return absl::OkStatus();
}

absl::Status JepsenCalls::FillArguments(const EdnParser& edn, uint32_t value,
                                        size_t at, const FunctionForm& form,
                                        Operation* op, Locate locate) {
  const auto fail = [&](std::string_view what) {
    return BadInput(locate(at), absl::StrCat(":", std::string(form.name),
                                             " takes ", std::string(what)));
  };
  const EdnKind kind = KindOf(edn, value);
  switch (form.argument) {
    case ArgumentForm::kNone:
      return FillForetold(edn, value, at, form, op, locate);
    case ArgumentForm::kValue:
      if (value == kNoNode) return fail("a value");
      if (form.result == ResultForm::kFlag && kind == EdnKind::kBoolean) {
        return fail(
            "a value other than true and false, which as its result would be "
            "an answer or the value");
      }
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
      NoteTransaction(edn, value, /*returned=*/false, locate);
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
      NoteWritten(edn, value + 1, &shapes_);
      NoteWritten(edn, edn.node(value + 1).end, &shapes_);
      if (form.argument == ArgumentForm::kFor && !op->expected.is_integer()) {
        return fail("a pair [duration value]");
      }
      return absl::OkStatus();
    }
  }
  op->argument = ToValue(edn, value);
  NoteWritten(edn, value, &shapes_);
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
  uint32_t key = kNoNode;
  uint32_t value = kNoNode;
  const bool split = SplitKey(edn, entry, &key, &value);
  if (type == "fail") {
    Fail(edn, entry, value, form, op);
    return absl::OkStatus();
  }
  const size_t at = edn.OffsetOf(value == kNoNode ? entry.function : value);
  if (!split) return BadInput(locate(at), "a pair [key value] expected");
  const absl::StatusOr<uint32_t> partition = PartitionOf(edn, key, locate);
  if (!partition.ok()) return partition.status();
  if (*partition != op->partition) {
    return BadInput(position, absl::StrCat("process ", process,
                                           " returns for another key than it "
                                           "invoked for"));
  }
  if (entry.value_may_be_cut && MayHaveBeenLonger(edn, value, form)) {
    return BadInput(locate(at), "this may be the beginning of what was read");
  }
  const Value foretold = std::exchange(op->result, Value());
  absl::Status status = FillResult(edn, value, form, at, op, locate);
  if (!status.ok()) return status;
  if (!foretold.is_none() && op->result != foretold) {
    return BadInput(
        locate(at),
        absl::StrCat("line ", pairing_.LineOf(process), " has another value, ",
                     foretold.ToString(),
                     ": an invocation has nil, or what it returns"));
  }
  pairing_.Return(process, entry.time);
  return absl::OkStatus();
}

void JepsenCalls::Fail(const EdnParser& edn, const JepsenEntry& entry,
                       uint32_t value, const FunctionForm& form,
                       Operation* op) {
  const bool cas = form.argument == ArgumentForm::kPair;
  if (cas) ++recording_->failed_cas.count;
  // A value that is not the arguments, or an :error, is a reason of its own.
  if (!cas || !options_.jepsen.failed_cas_observes || entry.error != kNoNode ||
      !RepeatsCall(edn, value, form, *op)) {
    ++recording_->left_out;
    return pairing_.Drop(op->client);
  }
  ++recording_->failed_cas.observed;
  op->result = Value::Integer(0);
  pairing_.Return(op->client, entry.time);
}

bool JepsenCalls::MayHaveBeenLonger(const EdnParser& edn, uint32_t value,
                                    const FunctionForm& form) const {
  switch (form.result) {
    case ResultForm::kNone:
    case ResultForm::kFlag:
    case ResultForm::kDone:
      return false;  // It says nothing, or was compared with the call.
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

bool JepsenCalls::RepeatsCall(const EdnParser& edn, uint32_t value,
                              const FunctionForm& form, const Operation& op) {
  if (form.argument != ArgumentForm::kFor &&
      form.argument != ArgumentForm::kPair) {
    return value != kNoNode && ToValue(edn, value) == op.argument;
  }
  return value != kNoNode && IsPair(edn, value) &&
         ToValue(edn, value + 1) == op.expected &&
         ToValue(edn, edn.node(value + 1).end) == op.argument;
}

absl::Status JepsenCalls::FillResult(const EdnParser& edn, uint32_t value,
                                     const FunctionForm& form, size_t at,
                                     Operation* op, Locate locate) {
  switch (form.result) {
    case ResultForm::kValue:
      if (value == kNoNode) return BadInput(locate(at), "no :value, no result");
      NoteRead(edn, value, locate(at), &shapes_);
      op->result = ToValue(edn, value);
      if (options_.map_lines && op->result.is_nil()) {
        return BadInput(locate(at),
                        "no result: a key without a value reads as \"\"");
      }
      return absl::OkStatus();
    case ResultForm::kToken:
      // An acquisition that got nothing is a :fail.
      if (KindOf(edn, value) != EdnKind::kInteger) {
        return BadInput(locate(at),
                        "a fencing token, an integer, expected (--model mutex "
                        "has none)");
      }
      op->result = ToValue(edn, value);
      return absl::OkStatus();
    case ResultForm::kList: {
      std::string list;
      if (value == kNoNode || !ListOf(edn, value, &list)) {
        return BadInput(locate(at),
                        "a vector, list or set expected (--model counter reads "
                        "integers)");
      }
      return KeepList(list, locate(at), &op->result);
    }
    case ResultForm::kTriples: {
      std::string list, error = "a transaction has a value";
      if (value == kNoNode || !TriplesOf(edn, value, &list, &error)) {
        return BadInput(locate(at), error);
      }
      NoteTransaction(edn, value, /*returned=*/true, locate);
      absl::Status status = KeepList(list, locate(at), &op->result);
      const std::string_view why = WhyNotResultOf(op->argument, op->result);
      if (status.ok() && !why.empty()) return BadInput(locate(at), why);
      return status;
    }
    case ResultForm::kAny:
      if (value != kNoNode && edn.node(value).kind != EdnKind::kNil) {
        op->result = ToValue(edn, value);
      }
      return absl::OkStatus();
    default:
      return FillShortResult(edn, value, form, at, op, locate);
  }
}

absl::Status JepsenCalls::FillShortResult(const EdnParser& edn, uint32_t value,
                                          const FunctionForm& form, size_t at,
                                          Operation* op, Locate locate) {
  const EdnKind kind = KindOf(edn, value);
  const bool integer = form.result == ResultForm::kInteger;
  const bool takes = form.argument != ArgumentForm::kNone;
  if (form.result != ResultForm::kNone &&
      kind == (integer ? EdnKind::kInteger : EdnKind::kBoolean)) {
    const Value result = ToValue(edn, value);
    // An integer may repeat the argument.
    if (!integer || !takes || result != op->argument) op->result = result;
    return absl::OkStatus();
  }
  if (kind != EdnKind::kNil && !(takes && RepeatsCall(edn, value, form, *op))) {
    return BadInput(
        locate(at),
        takes     ? absl::StrCat("this is not what process ", op->client,
                                 " invoked the function with in line ",
                                 pairing_.LineOf(op->client))
        : integer ? "an integer expected"
        : form.result == ResultForm::kDone
            ? "true, false or nil expected (--model lock has fencing tokens)"
            : "true, false or nil expected");
  }
  if (form.result == ResultForm::kDone) op->result = Value::Integer(1);
  return absl::OkStatus();
}

void JepsenCalls::NoteWritten(const EdnParser& edn, uint32_t value,
                              Shapes* shapes) {
  shapes->written.insert(ShapeOf(edn.node(value).kind));
}

void JepsenCalls::NoteRead(const EdnParser& edn, uint32_t value,
                           Position position, Shapes* shapes) {
  const EdnNode& node = edn.node(value);
  const bool digits =
      node.size > 0 &&
      edn.Text(node).find_first_not_of("0123456789") == std::string_view::npos;
  const bool text = node.kind == EdnKind::kString && !digits;
  shapes->read.try_emplace(text ? EdnKind::kCharacter : ShapeOf(node.kind),
                           position);
}

void JepsenCalls::NoteTransaction(const EdnParser& edn, uint32_t value,
                                  bool returned, Locate locate) {
  for (uint32_t micro = value + 1; micro < edn.node(value).end;
       micro = edn.node(micro).end) {
    const uint32_t key = edn.node(micro + 1).end;
    const uint32_t item = edn.node(key).end;
    const bool reads =
        edn.IsKeyword(micro + 1, "r") || edn.IsKeyword(micro + 1, "read");
    bool is_string = false;
    Shapes* const shapes = &key_shapes_[KeyName(edn, key, &is_string)];
    if (!reads && edn.IsKeyword(micro + 1, "append")) {
      shapes->appended = true;
    } else if (!reads) {
      NoteWritten(edn, item, shapes);
    } else if (returned && edn.node(item).kind != EdnKind::kNil) {
      NoteRead(edn, item, locate(edn.OffsetOf(item)), shapes);
    }
  }
}

absl::Status JepsenCalls::CheckShapes(const Shapes& shapes,
                                      const std::string& where) const {
  const auto wrote = [&](EdnKind kind) {
    return shapes.written.contains(kind) || kind == ShapeOf(options_.initial);
  };
  const bool texts = wrote(EdnKind::kString);
  const bool integers = wrote(EdnKind::kInteger) || wrote(EdnKind::kBoolean);
  for (const auto& [kind, position] : shapes.read) {
    const std::string name(CollectionName(kind));
    if (shapes.appended && kind != EdnKind::kVector) {
      return BadInput(position,
                      absl::StrCat("a vector or nil expected: there are "
                                   "appends",
                                   where));
    }
    if (!shapes.appended && !name.empty() && !wrote(kind)) {
      return BadInput(position,
                      absl::StrCat(name,
                                   " is read, but nothing in the history "
                                   "writes one",
                                   where,
                                   ", so that it has no meaning here: let the "
                                   "history have the value itself"));
    }
    if (kind == EdnKind::kString && !texts && integers) {
      return BadInput(position,
                      "a string of digits is read, but what the history writes "
                      "are integers: let it have integers");
    }
    if (kind == EdnKind::kInteger && texts && !integers) {
      return BadInput(position,
                      "an integer is read, but what the history writes are "
                      "strings: let it have strings");
    }
  }
  return absl::OkStatus();
}

void JepsenCalls::TakeNemesis(const EdnParser& edn, const JepsenEntry& entry) {
  const std::string name(edn.Text(edn.node(entry.function)));
  std::string text = name;
  if (KindOf(edn, entry.value) != EdnKind::kNil) {
    absl::StrAppend(&text, " ", edn.Print(entry.value));
  }
  text = Shortened(text, kEventTextBytesMax, 0);
  std::string_view begun, ended;
  bool ends = false;
  for (const FaultWords& words : kFaultWords) {
    if (!SplitWord(name, words.ends, &ended)) continue;
    // "start" ends a "kill", but begins something where nothing was killed.
    ends = ends || words.ends != "start";
    std::erase_if(steps_, [&](const Step& step) {
      const bool over = step.fault &&
                        SplitWord(step.name, words.begins, &begun) &&
                        begun == ended;
      if (over) recording_->events[step.event].until = entry.time;
      ends = ends || over;
      return over;
    });
  }
  if (ends) return;
  // Each step of a nemesis is told twice, as it begins and when it is done.
  const auto open =
      std::find_if(steps_.begin(), steps_.end(),
                   [&](const Step& step) { return step.name == name; });
  if (open != steps_.end()) {
    recording_->events[open->event].text = text;
    if (!open->fault) steps_.erase(open);
    return;
  }
  const bool fault = std::any_of(std::begin(kFaultWords), std::end(kFaultWords),
                                 [&](const FaultWords& words) {
                                   return SplitWord(name, words.begins, &begun);
                                 });
  steps_.push_back({name, recording_->events.size(), fault});
  recording_->events.push_back(
      {.kind = fault ? TimelineEvent::Kind::kFault : TimelineEvent::Kind::kNote,
       .at = entry.time,
       .text = text});
}

}  // namespace quorate::lincheck
