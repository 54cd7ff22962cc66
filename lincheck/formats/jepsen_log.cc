#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "lincheck/formats/edn.h"
#include "lincheck/formats/jepsen.h"
#include "lincheck/formats/jepsen_readings.h"
#include "lincheck/formats/plain_line.h"

namespace quorate::lincheck {
namespace {

constexpr std::string_view kMaybeCut =
    " (the last line has no end: cut short?)";
constexpr std::string_view kStrange =
    "this line looks like an operation, but process, type, function and value "
    "do not follow the name of the logger, jepsen.util";
constexpr std::string_view kClosesNothing = "a bracket that closes nothing";
// The logger of operations.
constexpr std::string_view kLogger = "jepsen.util";

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

size_t SkipBlanks(std::string_view line, size_t at) {
  while (at < line.size() && IsBlank(line[at])) ++at;
  return at;
}

// Process, type, function and value, one after another.
class LineParser {
 public:
  // Parses an entry of the plain line, whose number and end are those of
  // `line`, into one list. So the nodes of all four stay.
  absl::Status Parse(const PlainLine& plain, const Line& line, size_t begin);
  const EdnParser& edn() const { return edn_; }
  const JepsenEntry& entry() const { return entry_; }
  // Where a byte of the parser's text stands in the line.
  size_t OffsetInLine(size_t offset) const {
    return plain_->OffsetInLine(begin_ + offset - 1);
  }

 private:
  // The parser's error, without the brackets that stand around the line here.
  std::string WhyNot() const;

  std::string text_;
  EdnParser edn_;
  JepsenEntry entry_;
  const PlainLine* plain_ = nullptr;
  size_t begin_ = 0;
};

std::string LineParser::WhyNot() const {
  constexpr std::string_view kFile = "the file ends";
  constexpr std::string_view kOurs = "closes what '(' opened";
  if (edn_.error_offset() == 0 || edn_.error_offset() + 1 == text_.size()) {
    return "the line ends within a collection";
  }
  std::string reason = edn_.error();
  if (reason.find(kOurs) != std::string::npos &&
      text_.find('(', 1) == std::string::npos) {
    return std::string(kClosesNothing);
  }
  if (reason.rfind(kFile, 0) == 0) {
    reason.replace(0, kFile.size(), "the line ends");
  }
  return reason;
}

absl::Status LineParser::Parse(const PlainLine& plain, const Line& line,
                               size_t begin) {
  plain_ = &plain;
  begin_ = begin;
  entry_ = {};
  text_.assign("(");
  text_.append(plain.text().substr(begin));
  text_.push_back(')');
  const EdnParser::Outcome outcome = edn_.Parse(text_, /*complete=*/true);
  const auto fail = [&](size_t offset, std::string reason) {
    return BadInput({line.number, OffsetInLine(offset) + 1}, reason);
  };
  if (outcome == EdnParser::Outcome::kError) {
    const size_t offset = edn_.error_offset();
    return fail(offset == 0 ? text_.size() - 1 : offset, WhyNot());
  }
  if (outcome != EdnParser::Outcome::kForm || edn_.used() != text_.size()) {
    return fail(edn_.used() - 1, std::string(kClosesNothing));
  }
  uint32_t* const fields[] = {&entry_.process, &entry_.type, &entry_.function,
                              &entry_.value};
  const EdnNode& all = edn_.node(0);
  if (all.children < 3) {
    return fail(text_.size() - 1,
                "an entry has a process, a type, a function and a value");
  }
  uint32_t child = 1;
  for (uint32_t* field : fields) {
    if (child < all.end) {
      *field = child;
      child = edn_.node(child).end;
    }
  }
  // The text after the value of a failed entry says why.
  if (child < all.end) entry_.error = child;
  const EdnKind kind = edn_.node(entry_.process).kind;
  if (child < all.end && kind == EdnKind::kInteger &&
      (edn_.IsKeyword(entry_.type, "invoke") ||
       edn_.IsKeyword(entry_.type, "ok"))) {
    return fail(edn_.OffsetOf(child), "something follows the value");
  }
  entry_.value_may_be_cut = !line.terminated && entry_.value != kNoNode &&
                            child == all.end &&
                            edn_.node(entry_.value).children == 0 &&
                            edn_.node(entry_.value).kind != EdnKind::kString &&
                            std::string_view("])}").find(plain.text().back()) ==
                                std::string_view::npos;
  for (uint32_t node : {entry_.type, entry_.function}) {
    if (edn_.node(node).kind != EdnKind::kKeyword) {
      return fail(edn_.OffsetOf(node), "a keyword expected");
    }
  }
  if (entry_.value == kNoNode && kind == EdnKind::kInteger) {
    return fail(text_.size() - 1, "an entry without a value");
  }
  return absl::OkStatus();
}

// An error in `line`, with what may have led to it.
absl::Status Explained(absl::Status error, const Line& line) {
  if (line.terminated) return error;
  return absl::InvalidArgumentError(absl::StrCat(
      error.message(), absl::string_view(kMaybeCut.data(), kMaybeCut.size())));
}

// How a line of a log is read.
struct LogLine {
  // Where its entry begins (the process); npos: it has none.
  size_t entry = std::string_view::npos;
  // Where the type of an operation stands that is no such entry; npos: nowhere.
  size_t strange = std::string_view::npos;
};

constexpr std::string_view kTypes[] = {":invoke", ":ok", ":fail", ":info"};

// The words of a line, one after another.
class Words {
 public:
  Words(std::string_view line, size_t at)
      : line_(line), begin_(SkipBlanks(line, at)) {
    FindEnd();
  }
  bool done() const { return begin_ == line_.size(); }
  size_t begin() const { return begin_; }
  std::string_view word() const { return line_.substr(begin_, end_ - begin_); }
  void Next() {
    begin_ = SkipBlanks(line_, end_);
    FindEnd();
  }

 private:
  void FindEnd() {
    end_ = begin_;
    while (end_ < line_.size() && !IsBlank(line_[end_])) ++end_;
  }

  const std::string_view line_;
  size_t begin_;
  size_t end_ = 0;
};

bool IsType(std::string_view word) {
  return std::find(std::begin(kTypes), std::end(kTypes), word) !=
         std::end(kTypes);
}

// Where a type stands in the word, whatever is before it; npos: nowhere. The
// name of a keyword such as :ok-count goes on.
size_t FindType(std::string_view word) {
  constexpr std::string_view kInNames = "-_?!./";
  for (const std::string_view type : kTypes) {
    for (size_t at = word.find(type); at != word.npos;
         at = word.find(type, at + 1)) {
      const std::string_view rest = word.substr(at + type.size());
      const auto c = static_cast<unsigned char>(rest.empty() ? ' ' : rest[0]);
      if (!absl::ascii_isalnum(c) && kInNames.find(c) == kInNames.npos) {
        return at;
      }
    }
  }
  return std::string_view::npos;
}

bool IsNumber(std::string_view word) {
  return !word.empty() &&
         word.find_first_not_of("0123456789") == std::string_view::npos;
}

// Where the text begins that the logger of operations wrote: behind
// "jepsen.util - ", "jepsen.util: " or "jepsen.util ". npos: another logger's.
size_t FindMessage(std::string_view line) {
  const size_t logger = line.find(kLogger);
  if (logger == std::string_view::npos) return std::string_view::npos;
  size_t at = logger + kLogger.size();
  if (at < line.size() && line[at] == ':') {
    ++at;
  } else {
    const size_t dash = SkipBlanks(line, at);
    if (dash == at) return std::string_view::npos;
    at = dash;
    if (at < line.size() && line[at] == '-') ++at;
  }
  const size_t message = SkipBlanks(line, at);
  if (message == at && !IsBlank(line[at - 1])) return std::string_view::npos;
  return message;
}

// Skips a time in brackets, such as "[ 1000 ] ".
size_t SkipTime(std::string_view line, size_t at) {
  if (at == line.size() || line[at] != '[') return at;
  const size_t digits = SkipBlanks(line, at + 1);
  size_t end = line.find_first_not_of("0123456789.,", digits);
  if (end == digits || end == std::string_view::npos) return at;
  end = SkipBlanks(line, end);
  if (end == line.size() || line[end] != ']') return at;
  const size_t next = SkipBlanks(line, end + 1);
  return next == end + 1 ? at : next;
}

// Where the type of an operation stands that is no entry, such as "… 0 :ok
// :write …" of another logger; npos: nowhere. Behind `message` every type
// counts; it may be part of a map. Other messages are about other things, too:
// a keyword before a type is the key of a map, or a nemesis. Jepsen's loggers
// may have marked the type, as in "0 *:invoke* :write".
size_t FindStrange(std::string_view line, size_t message) {
  const bool ours = message != line.npos;
  const bool jepsen = line.find("jepsen.") != line.npos;
  std::string_view before;
  for (Words words(line, ours ? message : 0); !words.done();) {
    const std::string_view word = words.word();
    const size_t at = words.begin();
    words.Next();
    const size_t type = FindType(word);
    const bool number = IsNumber(before);
    const bool function = words.word().substr(0, 1) == ":";
    const size_t colon = before.find(':');
    const bool process =
        IsType(word)
            ? number || (word != ":info" &&
                         (colon == before.npos || colon + 1 == before.size()))
            : jepsen && (number || IsNumber(word.substr(0, 1)));
    if (type != word.npos && (ours || (function && process))) return at + type;
    if (ours && number && IsType(absl::StrCat(":", std::string(word)))) {
      return at;
    }
    before = word;
  }
  return line.npos;
}

LogLine Classify(std::string_view line) {
  const size_t message = FindMessage(line);
  if (message == line.npos) return {.strange = FindStrange(line, message)};
  // A process is a number or a keyword; a type follows.
  const size_t process = SkipTime(line, message);
  Words words(line, process);
  const std::string_view name = words.word();
  words.Next();
  const bool client = IsNumber(name) && words.word().substr(0, 1) == ":";
  const bool nemesis =
      name == ":nemesis" ? words.word().substr(0, 1) == ":"
                         : name.substr(0, 1) == ":" && words.word() == ":info";
  if (client || nemesis) return {.entry = process};
  if (IsNumber(name) && words.done()) return {.strange = process};
  return {.strange = FindStrange(line, message)};
}

// Replaces `*plain` by the line and says how that is read.
LogLine Look(std::string_view line, PlainLine* plain) {
  const size_t logger = line.find(kLogger);
  const size_t values = logger == line.npos ? 0 : logger + kLogger.size();
  plain->Read(line, values);
  return Classify(plain->text());
}

}  // namespace

absl::StatusOr<Recording> ReadJepsenLog(Window* window,
                                        const Vocabulary& vocabulary,
                                        const JepsenCalls::Options& options) {
  JepsenReadings calls(vocabulary, options);
  LineReader lines(window);
  LineParser parser;
  PlainLine plain;
  Line line;
  Time now = 0;
  for (;;) {
    absl::StatusOr<bool> more = lines.Next(&line);
    if (!more.ok()) return std::move(more).status();
    if (!*more) break;
    const auto [begin, strange] = Look(line.text, &plain);
    if (strange != std::string_view::npos) {
      const size_t column = plain.OffsetInLine(strange) + 1;
      return Explained(BadInput({line.number, column}, kStrange), line);
    }
    if (begin == std::string_view::npos) continue;
    const bool client = plain.text()[begin] != ':';
    absl::Status status = parser.Parse(plain, line, begin);
    if (!status.ok()) {
      // The text of a nemesis is for people, and not always EDN.
      if (client) return Explained(std::move(status), line);
      continue;
    }
    JepsenEntry entry = parser.entry();
    entry.time = now++;
    if (!client) {
      calls.TakeNemesis(parser.edn(), entry);
      continue;
    }
    status = calls.Take(parser.edn(), entry, [&](size_t offset) {
      return Position{line.number, parser.OffsetInLine(offset) + 1};
    });
    if (!status.ok()) return Explained(std::move(status), line);
  }
  return calls.Finish();
}

}  // namespace quorate::lincheck
