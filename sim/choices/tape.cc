#include "sim/choices/tape.h"

#include <charconv>

#include "absl/status/status.h"

namespace quorate::sim {
namespace {

constexpr std::string_view kMagic = "quorate-tape ";
constexpr std::string_view kSeed = "seed ";
constexpr std::string_view kSeparator = "---";

std::string MagicLine() {
  return std::string(kMagic) + std::to_string(kTapeVersion);
}

// Cuts a long or binary line for an error message.
std::string Shown(std::string_view line) {
  std::string shown;
  for (char c : line.substr(0, 40)) shown += c >= ' ' && c < 127 ? c : '?';
  return shown;
}

absl::Status Error(size_t line, std::string_view found,
                   const std::string& expected) {
  return absl::InvalidArgumentError("line " + std::to_string(line) + ": \"" +
                                    Shown(found) + "\", expected " + expected);
}

bool IsSite(std::string_view text) {
  for (char c : text) {
    if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.' &&
        c != '_' && c != '-') {
      return false;
    }
  }
  return !text.empty();
}

// Plain decimal digits only: no sign, no blanks.
bool ParseNumber(std::string_view text, uint64_t* value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && stop == end && !text.empty();
}

// Cuts the text up to the next blank (or the end) off the front.
std::string_view TakeField(std::string_view* line) {
  const size_t end = line->find(' ');
  const std::string_view field = line->substr(0, end);
  line->remove_prefix(end == std::string_view::npos ? line->size() : end + 1);
  return field;
}

absl::Status ParseHeaderLine(size_t number, std::string_view line, Tape* tape) {
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return Error(number, line, "key=value or ---");
  }
  const std::string_view key = line.substr(0, equals);
  for (const auto& [name, value] : tape->parameters) {
    if (name == key) {
      return Error(number, line, "a key that no earlier line has");
    }
  }
  tape->parameters.emplace_back(key, line.substr(equals + 1));
  return absl::OkStatus();
}

absl::Status ParseChoiceLine(size_t number, std::string_view line, Tape* tape) {
  std::string_view rest = line;
  TapeChoice choice;
  choice.site = std::string(TakeField(&rest));
  if (!IsSite(choice.site) || !ParseNumber(TakeField(&rest), &choice.entity) ||
      !ParseNumber(TakeField(&rest), &choice.counter) ||
      !ParseNumber(rest, &choice.value)) {
    return Error(number, line, "site entity counter value");
  }
  tape->choices.push_back(std::move(choice));
  return absl::OkStatus();
}

// The parts of a tape, in order. Any part may be missing.
enum class Part { kMagic, kSeed, kParameters, kChoices };

absl::Status ParseLine(size_t number, std::string_view line, Part* part,
                       Tape* tape) {
  const bool seed = line.substr(0, kSeed.size()) == kSeed;
  if (*part == Part::kMagic && !seed) {
    uint64_t version = 0;
    if (line.substr(0, kMagic.size()) != kMagic ||
        !ParseNumber(line.substr(kMagic.size()), &version) ||
        version != kTapeVersion) {
      return Error(number, line, MagicLine());
    }
    *part = Part::kSeed;
    return absl::OkStatus();
  }
  if (*part <= Part::kSeed && seed) {
    if (!ParseNumber(line.substr(kSeed.size()), &tape->seed)) {
      return Error(number, line, "seed N");
    }
    *part = Part::kParameters;
    return absl::OkStatus();
  }
  if (*part != Part::kChoices && line == kSeparator) {
    *part = Part::kChoices;
    return absl::OkStatus();
  }
  if (*part != Part::kChoices &&
      line.substr(0, line.find(' ')).find('=') != std::string_view::npos) {
    *part = Part::kParameters;
    return ParseHeaderLine(number, line, tape);
  }
  *part = Part::kChoices;
  return ParseChoiceLine(number, line, tape);
}

}  // namespace

const std::string* Tape::Parameter(std::string_view key) const {
  for (const auto& [name, value] : parameters) {
    if (name == key) return &value;
  }
  return nullptr;
}

void Tape::SetParameter(std::string_view key, std::string_view value) {
  for (auto& [name, old] : parameters) {
    if (name == key) {
      old = std::string(value);
      return;
    }
  }
  parameters.emplace_back(key, value);
}

std::string FormatTape(const Tape& tape) {
  std::string text = MagicLine() + "\n";
  text += std::string(kSeed) + std::to_string(tape.seed) + "\n";
  for (const auto& [key, value] : tape.parameters) {
    text += key + "=" + value + "\n";
  }
  text += std::string(kSeparator) + "\n";
  for (const TapeChoice& choice : tape.choices) {
    text += choice.site;
    for (uint64_t number : {choice.entity, choice.counter, choice.value}) {
      text += " " + std::to_string(number);
    }
    text += "\n";
  }
  return text;
}

absl::StatusOr<Tape> ParseTape(std::string_view text) {
  Tape tape;
  Part part = Part::kMagic;
  size_t number = 0;
  while (!text.empty()) {
    ++number;
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    absl::Status status = ParseLine(number, line, &part, &tape);
    if (!status.ok()) return status;
  }
  if (part == Part::kMagic) {
    return Error(number + 1, "end of file", MagicLine());
  }
  return tape;
}

}  // namespace quorate::sim
