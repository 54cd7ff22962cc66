// Histories written in each form and read back, whole and damaged.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/formats/json_lines.h"
#include "lincheck/formats/read.h"
#include "lincheck/models/registry.h"
#include "lincheck/testing/memory_source.h"
#include "rapidcheck/gtest.h"

namespace quorate::lincheck {
namespace {

// A failed operation saw another value, so that it counts in comparisons.
constexpr JepsenOptions kObserves{.failed_cas_observes = true};

// One step of a test: what a process did, as every form could tell it.
struct Entry {
  uint32_t process = 0;
  std::string type;      // "invoke", "ok", "fail", "info".
  std::string function;  // Of the register, or get, put, append.
  std::string key;
  std::string value;  // As EDN.
};

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// Random entries of a correct form, and the operations they stand for.
class Script {
 public:
  // `kv`: get, put and append on keys; otherwise one register.
  Script(bool kv, bool go_on) : kv_(kv), go_on_(go_on) {
    const std::unique_ptr<Model> model =
        FindModel(kv ? "kv-text" : "cas-register")->make();
    const int steps = *rc::gen::inRange(0, 40);
    for (int i = 0; i < steps; ++i) Step(*model);
    for (auto& [process, op] : open_) expected_.push_back(op);
  }

  std::string Expected() const {
    std::vector<std::string> lines;
    for (const Operation& op : expected_) lines.push_back(Line(op, keys_));
    return Joined(std::move(lines));
  }
  static std::string Of(const Recording& recording) {
    std::vector<std::string> names;
    for (size_t i = 0; i < recording.history.partition_count(); ++i) {
      names.push_back(recording.history.partition_name(i));
    }
    std::vector<std::string> lines;
    for (const Operation& op : recording.history.operations()) {
      lines.push_back(Line(op, names));
    }
    return Joined(std::move(lines));
  }

  std::string AsEdn() const {
    const bool vector = *rc::gen::arbitrary<bool>();
    const std::string separator = *rc::gen::element<std::string>(
        "\n", "\r\n", " , ", "\n; note }\n", " #_{:not this} ");
    std::string out = vector ? "[" : "";
    for (const Entry& e : entries_) {
      out += "{:process " + std::to_string(e.process) + " :type :" + e.type +
             ", :f :" + e.function + " :value " + e.value + "}" + separator;
    }
    return out + (vector ? "]" : "");
  }
  std::string AsMapLines() const {
    std::string out;
    for (const Entry& e : entries_) {
      out += "{:process " + std::to_string(e.process) + ", :type :" + e.type +
             ", :f :" + e.function + ", :key " + Quoted(e.key) + ", :value " +
             e.value + "}\n";
    }
    return out;
  }
  std::string AsLog() const {
    std::string out = "INFO  jepsen.os - ready\n";
    for (const Entry& e : entries_) {
      out += "INFO  jepsen.util - " + std::to_string(e.process) +
             "\t:" + e.type + "\t:" + e.function + "\t" + e.value + "\n";
      if (*rc::gen::inRange(0, 5) == 0) out += "WARN  jepsen.util - hm\n";
    }
    return out;
  }
  size_t size() const { return entries_.size(); }

 private:
  static constexpr uint32_t kSlots = 6;  // Processes at a time.

  static std::string Line(const Operation& op,
                          const std::vector<std::string>& names) {
    return std::to_string(op.client) + "/" + names[op.partition] + "/" +
           std::to_string(op.function) + "/" + op.argument.ToString() + "/" +
           op.expected.ToString() + "/" + op.result.ToString() + "/" +
           std::to_string(op.invoke) + "/" + std::to_string(op.ret) + "\n";
  }
  static std::string Joined(std::vector<std::string> lines) {
    std::sort(lines.begin(), lines.end());
    std::string text;
    for (const std::string& line : lines) text += line;
    return text;
  }

  uint32_t KeyNumber(const std::string& key) {
    const auto found = std::find(keys_.begin(), keys_.end(), key);
    if (found != keys_.end()) return found - keys_.begin();
    keys_.push_back(key);
    return keys_.size() - 1;
  }
  Time Now() const { return static_cast<Time>(entries_.size()); }
  int64_t Number() { return *rc::gen::inRange<int64_t>(-3, 4); }

  void Step(const Model& model) {
    const auto slot = *rc::gen::inRange<uint32_t>(0, kSlots);
    const uint32_t process = slot + kSlots * generations_[slot];
    const auto open = open_.find(process);
    if (open != open_.end() && !(go_on_ && *rc::gen::inRange(0, 5) == 0)) {
      End(process, &open->second);
      return;
    }
    if (open != open_.end()) expected_.push_back(open->second);
    Invoke(process, model);
  }

  void Invoke(uint32_t process, const Model& model) {
    Operation op{.invoke = Now(), .client = process};
    Entry entry{.process = process, .type = "invoke"};
    entry.function =
        kv_ ? *rc::gen::element<std::string>("get", "put", "append")
            : *rc::gen::element<std::string>("read", "write", "cas");
    while (model.FunctionName(op.function) != entry.function) ++op.function;
    entry.key = kv_ ? *rc::gen::element<std::string>("0", "k\"ey", "ä") : "";
    op.partition = KeyNumber(entry.key);
    entry.value = "nil";
    if (kv_ && entry.function != "get") {
      const auto text =
          *rc::gen::element<std::string>("", "x 1 y", "\"", "\\", "é\n");
      op.argument = arena_.String(text);
      entry.value = Quoted(text);
    } else if (entry.function == "write") {
      op.argument = Value::Integer(Number());
      entry.value = op.argument.ToString();
    } else if (entry.function == "cas") {
      op.expected = Value::Integer(Number());
      op.argument = Value::Integer(Number());
      entry.value =
          "[" + op.expected.ToString() + " " + op.argument.ToString() + "]";
    }
    last_[process] = entry;
    entries_.push_back(entry);
    open_[process] = op;
  }

  void End(uint32_t process, Operation* op) {
    Entry entry = last_[process];
    const bool reads = entry.function == "read" || entry.function == "get";
    const int how = *rc::gen::inRange(0, 10);
    op->ret = Now();
    if (how == 0) {
      entry.type = "info";
      entry.value = ":timed-out";
      op->ret = kNever;
      ++generations_[process % kSlots];  // This one never comes back.
      Leave(process);
    } else if (how == 1) {
      entry.type = "fail";
      entry.value = ":timed-out";
      open_.erase(process);
    } else if (how == 2 && entry.function == "cas") {
      entry.type = "fail";
      op->result = Value::Integer(0);
      Leave(process);
    } else {
      entry.type = "ok";
      if (entry.function == "cas") op->result = Value::Integer(1);
      if (reads && kv_) {
        op->result = arena_.String("read \\ \"");
        entry.value = Quoted("read \\ \"");
      } else if (reads) {
        const bool nil = *rc::gen::arbitrary<bool>();
        op->result = nil ? Value::Nil() : Value::Integer(Number());
        entry.value = op->result.ToString();
      }
      Leave(process);
    }
    entries_.push_back(entry);
  }
  void Leave(uint32_t process) {
    expected_.push_back(open_[process]);
    open_.erase(process);
  }

  const bool kv_;
  const bool go_on_;
  std::vector<Entry> entries_;
  std::vector<Operation> expected_;
  std::map<uint32_t, Operation> open_;
  std::map<uint32_t, Entry> last_;
  std::vector<std::string> keys_;
  ValueArena arena_;
  uint32_t generations_[kSlots] = {};
};

absl::StatusOr<Recording> ReadInPieces(std::string_view text,
                                       const ReadOptions& options,
                                       size_t piece_bytes = 1 << 20) {
  MemorySource source(text, piece_bytes);
  return ReadHistory(&source, options);
}

void ExpectReadBack(const Script& script, const std::string& text,
                    const ReadOptions& options) {
  const size_t piece = *rc::gen::element<size_t>(1, 3, 7, 64, 1 << 20);
  absl::StatusOr<Recording> recording = ReadInPieces(text, options, piece);
  if (!recording.ok()) RC_LOG() << text << recording.status().ToString();
  RC_ASSERT(recording.ok());
  RC_ASSERT(Script::Of(*recording) == script.Expected());
}

RC_GTEST_PROP(FormsFuzz, WrittenAsEdn_IsReadBack, ()) {
  const Script script(/*kv=*/false, /*go_on=*/false);
  ExpectReadBack(script, script.AsEdn(),
                 {.form = Form::kEdn, .jepsen = kObserves});
}

RC_GTEST_PROP(FormsFuzz, WrittenAsMapLines_IsReadBack, ()) {
  const Script script(/*kv=*/true, /*go_on=*/true);
  const Form form = script.size() == 0 ? Form::kMapLines : Form::kAuto;
  ExpectReadBack(script, script.AsMapLines(), {.form = form});
}

RC_GTEST_PROP(FormsFuzz, WrittenAsLog_IsReadBack, ()) {
  const Script script(/*kv=*/false, /*go_on=*/false);
  const Form form = script.size() == 0 ? Form::kJepsenLog : Form::kAuto;
  ExpectReadBack(script, script.AsLog(), {.form = form, .jepsen = kObserves});
}

RC_GTEST_PROP(FormsFuzz, WrittenAsJsonLines_IsReadBack, ()) {
  const bool kv = *rc::gen::arbitrary<bool>();
  const Script script(kv, kv);
  absl::StatusOr<Recording> first =
      kv ? ReadInPieces(script.AsMapLines(), {.form = Form::kMapLines})
         : ReadInPieces(script.AsLog(),
                        {.form = Form::kJepsenLog, .jepsen = kObserves});
  RC_ASSERT(first.ok());
  const std::unique_ptr<Model> model = FindModel(first->model)->make();
  ExpectReadBack(script, WriteJsonLines(*first, *model), {});
}

// Damages `text` as disks, editors and networks do.
std::string Damaged(std::string text) {
  const int wounds = *rc::gen::inRange(1, 5);
  for (int i = 0; i < wounds && !text.empty(); ++i) {
    const auto at = *rc::gen::inRange<size_t>(0, text.size());
    const auto size =
        std::min(*rc::gen::inRange<size_t>(1, 60), text.size() - at);
    switch (*rc::gen::inRange(0, 6)) {
      case 0:
        text[at] = *rc::gen::arbitrary<char>();
        break;
      case 1:
        text.resize(at);
        break;
      case 2:
        text.erase(at, size);
        break;
      case 3:
        text.insert(at, text.substr(at, size));
        break;
      case 4:
        text.insert(at, *rc::gen::container<std::string>(
                            rc::gen::element('{', '}', '[', ']', '"', '\\', ':',
                                             '#', '\n', '\t', '0', '\xff')));
        break;
      default:
        text[at] ^= static_cast<char>(1 << *rc::gen::inRange(0, 8));
    }
  }
  return text;
}

// Any bytes of a file: no crash, an error with a place, equal results for
// pieces of any size, and operations that every model accepts.
void Survive(const std::string& text, const ReadOptions& options) {
  absl::StatusOr<Recording> recording = ReadInPieces(text, options);
  absl::StatusOr<Recording> again = ReadInPieces(text, options, 5);
  RC_ASSERT(recording.ok() == again.ok());
  if (!recording.ok()) {
    const std::string message(recording.status().message());
    RC_ASSERT(message == again.status().message());
    unsigned line = 0, column = 0;
    RC_ASSERT(std::sscanf(message.c_str(), "%u:%u: ", &line, &column) == 2);
    RC_ASSERT(line <= 1 + std::count(text.begin(), text.end(), '\n'));
    RC_ASSERT(column <= text.size() + 1);
    return;
  }
  RC_ASSERT(Script::Of(*recording) == Script::Of(*again));
  const std::unique_ptr<Model> model = FindModel(recording->model)->make();
  const std::unique_ptr<StateSpace> states = model->NewStates();
  StateId state = states->Initial();
  for (const Operation& op : recording->history.operations()) {
    const StateId next = states->Step(state, op);
    if (next != kImpossible) state = next;
    DescribeCall(*model, op);
  }
}

RC_GTEST_PROP(FormsFuzz, DamagedFiles_AreSurvived, ()) {
  const bool kv = *rc::gen::arbitrary<bool>();
  const Script script(kv, kv);
  std::string text;
  Form form = Form::kMapLines;
  switch (*rc::gen::inRange(0, 3)) {
    case 0:
      text = kv ? script.AsMapLines() : script.AsEdn();
      if (!kv) form = Form::kEdn;
      break;
    case 1:
      text = kv ? script.AsMapLines() : script.AsLog();
      if (!kv) form = Form::kJepsenLog;
      break;
    default: {
      absl::StatusOr<Recording> first =
          kv ? ReadInPieces(script.AsMapLines(), {.form = Form::kMapLines})
             : ReadInPieces(script.AsLog(), {.form = Form::kJepsenLog});
      text = WriteJsonLines(*first, *FindModel(first->model)->make());
      form = Form::kJsonLines;
    }
  }
  for (int i = 0; i < 50; ++i) {
    const std::string damaged = Damaged(text);
    Survive(damaged, {.form = form});
    Survive(damaged, {});
  }
}

// One client that writes numbers and reads written ones. Wherever the
// log breaks off, it is an error, or returned operations have their results.
RC_GTEST_PROP(FormsFuzz, LogCutAnywhere_SaysNothingThatItDidNot, ()) {
  std::string text;
  std::vector<std::string> written = {"nil"};
  const int calls = *rc::gen::inRange(1, 12);
  for (int i = 0; i < calls; ++i) {
    const bool writes = *rc::gen::arbitrary<bool>();
    if (writes) written.push_back(std::to_string(*rc::gen::inRange(-30, 200)));
    const std::string value =
        writes ? written.back() : *rc::gen::elementOf(written);
    const std::string function = writes ? "write\t" : "read\t";
    text += "INFO  jepsen.util - 7\t:invoke\t:" + function +
            (writes ? value : "nil") +
            "\nINFO  jepsen.util - 7\t:ok\t:" + function + value + "\n";
  }
  const ReadOptions options = {.form = Form::kJepsenLog};
  const absl::StatusOr<Recording> whole = ReadInPieces(text, options);
  RC_ASSERT(whole.ok());
  for (size_t size = 0; size < text.size(); ++size) {
    const absl::StatusOr<Recording> cut =
        ReadInPieces(text.substr(0, size), options);
    if (!cut.ok()) continue;
    const auto operations = cut->history.operations();
    for (size_t i = 0; i < operations.size(); ++i) {
      if (!operations[i].known()) continue;
      RC_ASSERT(operations[i].result == whole->history.operations()[i].result);
      RC_ASSERT(operations[i].ret == whole->history.operations()[i].ret);
    }
  }
}

RC_GTEST_PROP(FormsFuzz, AnyBytes_AreSurvived, (const std::string& text)) {
  for (Form form : {Form::kAuto, Form::kJsonLines, Form::kEdn, Form::kJepsenLog,
                    Form::kMapLines}) {
    Survive(text, {.form = form});
  }
}

}  // namespace
}  // namespace quorate::lincheck
