#include "sim/protocol/reply.h"

#include <charconv>

namespace quorate::sim {
namespace {

bool ToInteger(std::string_view text, int64_t* value) {
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

// "$12\r\n".
void AppendHeader(char type, size_t number, std::string* bytes) {
  char text[24];
  text[0] = type;
  char* end = std::to_chars(text + 1, text + 21, number).ptr;
  *end++ = '\r';
  *end++ = '\n';
  bytes->append(text, static_cast<size_t>(end - text));
}

}  // namespace

void AppendCommand(absl::Span<const std::string_view> words,
                   std::string* bytes) {
  AppendHeader('*', words.size(), bytes);
  for (const std::string_view word : words) {
    AppendHeader('$', word.size(), bytes);
    bytes->append(word).append("\r\n");
  }
}

std::string EncodeCommand(std::initializer_list<std::string_view> words) {
  std::string bytes;
  size_t size = 16;
  for (const std::string_view word : words) size += word.size() + 16;
  bytes.reserve(size);
  AppendCommand(words, &bytes);
  return bytes;
}

std::string EncodeCommand(const std::vector<std::string>& words) {
  const std::vector<std::string_view> views(words.begin(), words.end());
  std::string bytes;
  size_t size = 16;
  for (const std::string_view word : views) size += word.size() + 16;
  bytes.reserve(size);
  AppendCommand(views, &bytes);
  return bytes;
}

std::string_view ClientReply::error_code() const {
  if (!is_error()) return {};
  return std::string_view(text).substr(0, text.find(' '));
}

bool ClientReply::refuses_connection() const {
  return is_error() && text == "ERR max number of clients reached";
}

std::string ClientReply::ToString() const {
  switch (type) {
    case Type::kSimple:
      return text;
    case Type::kError:
      return "(error) " + text;
    case Type::kInteger:
      return "(integer) " + std::to_string(integer);
    case Type::kBulk:
      return "\"" + text + "\"";
    case Type::kNil:
      return "(nil)";
    case Type::kArray:
      break;
  }
  std::string all = "[";
  for (const ClientReply& element : elements) {
    if (all.size() > 1) all += ", ";
    all += element.ToString();
  }
  return all + "]";
}

void ReplyParser::Feed(std::string_view bytes) {
  // Moves the rest only if it is the smaller part, so a long pipeline of
  // replies is moved once.
  if (position_ * 2 > buffer_.size()) {
    buffer_.erase(0, position_);
    position_ = 0;
  }
  buffer_.append(bytes);
}

ReplyParser::Result ReplyParser::Next(ClientReply* reply) {
  size_t at = position_;
  *reply = {};
  const Result result = Parse(&at, 0, reply);
  if (result == Result::kReply) position_ = at;
  return result;
}

bool ReplyParser::Line(size_t* at, std::string_view* line) const {
  const size_t end = buffer_.find("\r\n", *at);
  if (end == std::string::npos) return false;
  *line = std::string_view(buffer_).substr(*at, end - *at);
  *at = end + 2;
  return true;
}

ReplyParser::Result ReplyParser::Parse(size_t* at, int depth,
                                       ClientReply* reply) const {
  std::string_view line;
  if (!Line(at, &line)) return Result::kNeedMore;
  if (line.empty() || depth > kDepthMax) return Result::kMalformed;
  const std::string_view rest = line.substr(1);
  int64_t number = 0;
  switch (line[0]) {
    case '+':
    case '-':
      reply->type = line[0] == '+' ? ClientReply::Type::kSimple
                                   : ClientReply::Type::kError;
      reply->text = std::string(rest);
      return Result::kReply;
    case ':':
      reply->type = ClientReply::Type::kInteger;
      return ToInteger(rest, &reply->integer) ? Result::kReply
                                              : Result::kMalformed;
    case '_':
      return rest.empty() ? Result::kReply : Result::kMalformed;
    case '#':
    case ',':
      reply->type = ClientReply::Type::kSimple;
      reply->text = std::string(rest);
      return Result::kReply;
    case '=':
    case '$': {
      if (!ToInteger(rest, &number) || number < -1) return Result::kMalformed;
      if (number == -1) return Result::kReply;
      const auto size = static_cast<size_t>(number);
      if (buffer_.size() < *at + size + 2) return Result::kNeedMore;
      if (buffer_.compare(*at + size, 2, "\r\n") != 0) {
        return Result::kMalformed;
      }
      reply->type = ClientReply::Type::kBulk;
      reply->text = buffer_.substr(*at, size);
      *at += size + 2;
      return Result::kReply;
    }
    case '*':
    case '~':
    case '%': {
      if (!ToInteger(rest, &number) || number < -1) return Result::kMalformed;
      if (number == -1) return Result::kReply;
      reply->type = ClientReply::Type::kArray;
      const int64_t elements = line[0] == '%' ? 2 * number : number;
      for (int64_t i = 0; i < elements; ++i) {
        ClientReply& element = reply->elements.emplace_back();
        const Result result = Parse(at, depth + 1, &element);
        if (result != Result::kReply) return result;
      }
      return Result::kReply;
    }
    default:
      return Result::kMalformed;
  }
}

}  // namespace quorate::sim
