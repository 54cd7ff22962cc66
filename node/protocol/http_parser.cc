#include "node/protocol/http_parser.h"

#include <algorithm>
#include <array>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <limits>

#include "env/check.h"
#include "env/kept_memory.h"
#include "env/parse_integer.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

namespace http = boost::beast::http;
using BeastText = boost::beast::string_view;
using BeastError = boost::beast::error_code;

// An idle connection keeps blocks up to this size.
constexpr size_t kKeptBytes = 4 << 10;

// RFC 3986 3.2.2 and 3.2.3: the characters of a host, in brackets or not, and a
// port.
constexpr std::string_view kHostCharacters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    "-._~%!$&'()*+,;=:[]";

// Bytes allowed within a line: no control characters except the tab.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain = {};
  for (int byte = 0; byte < 256; ++byte) {
    plain[byte] = (byte >= 0x20 && byte != 0x7f) || byte == '\t';
  }
  return plain;
}();

std::string_view ViewOf(BeastText text) { return {text.data(), text.size()}; }

bool HasToken(std::string_view list, const char* token) {
  return http::token_list(BeastText(list.data(), list.size())).exists(token);
}

std::string Malformed(const BeastError& error) {
  if (error == http::error::bad_version) {
    return "only HTTP/1.0 and HTTP/1.1 are served";
  }
  if (error == http::error::need_more) return "the request is incomplete";
  return Concat("the request is malformed: ", error.message());
}

// True if the request line ends in "HTTP/digit.digit" of a version that is not
// served (RFC 9112 2.3, RFC 9110 15.6.6).
bool NamesOtherVersion(std::string_view request_line, const BeastError& error) {
  if (error != http::error::bad_version) return false;
  const size_t space = request_line.rfind(' ');
  const std::string_view version =
      request_line.substr(space == std::string_view::npos ? 0 : space + 1);
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return version.size() == 10 && version.starts_with("HTTP/") &&
         digit(version[5]) && version[6] == '.' && digit(version[7]);
}

// Removes scheme and authority of an absolute form (RFC 9112 3.2.2). Returns ""
// if the target has a form that is not served here.
std::string OriginForm(std::string_view target) {
  if (target.starts_with('/') || target == "*") return std::string(target);
  const size_t colon = target.find("://");
  if (colon == std::string_view::npos) return "";
  const std::string scheme = Lower(target.substr(0, colon));
  if (scheme != "http" && scheme != "https") return "";
  target.remove_prefix(colon + 3);
  const size_t authority_end = target.find_first_of("/?#");
  if (target.empty() || authority_end == 0) return "";
  target.remove_prefix(std::min(authority_end, target.size()));
  return target.starts_with('/') ? std::string(target) : Concat("/", target);
}

bool Unescape(std::string_view text, bool plus_is_space, std::string* out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return false;
      const int high = HexDigit(text[i + 1]);
      const int low = HexDigit(text[i + 2]);
      if (high < 0 || low < 0) return false;
      out->push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      out->push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return true;
}

}  // namespace

const std::string* HttpRequest::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return &value;
  }
  return nullptr;
}

const std::string* HttpTarget::Parameter(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return &value;
  }
  return nullptr;
}

bool ParseTarget(std::string_view target, HttpTarget* parsed) {
  // A target has no fragment (RFC 9112 3.2). Dropping the fragment would name
  // another target.
  if (target.find('#') != std::string_view::npos) return false;
  const size_t mark = target.find('?');
  if (!Unescape(target.substr(0, mark), false, &parsed->path)) return false;
  if (mark == std::string_view::npos) return true;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    std::string name;
    std::string value;
    if (!Unescape(pair.substr(0, equals), true, &name)) return false;
    if (equals != std::string_view::npos &&
        !Unescape(pair.substr(equals + 1), true, &value)) {
      return false;
    }
    parsed->query.emplace_back(std::move(name), std::move(value));
  }
  return true;
}

// Collects one request. Beast calls the on_* functions.
class HttpParser::Grammar final : public http::basic_parser<true> {
 public:
  explicit Grammar(HttpParser& owner) : owner_(owner) {
    // Sections are limited before they are passed to Beast.
    header_limit(std::numeric_limits<uint32_t>::max());
    body_limit(owner.limits_.body_bytes_max);
  }

 private:
  void on_request_impl(http::verb, BeastText method, BeastText target,
                       int version, BeastError& error) override {
    HttpRequest& request = owner_.request_;
    request.method = ViewOf(method);
    request.target = OriginForm(ViewOf(target));
    request.minor_version = version % 10;
    if (request.target.empty()) {
      Refuse(400, "the target is neither a path nor an absolute http URL",
             error);
    }
  }
  void on_response_impl(int, BeastText, int, BeastError&) override {}
  void on_field_impl(http::field, BeastText name, BeastText value,
                     BeastError&) override {
    if (owner_.section_ == Section::kTrailers) return;
    owner_.request_.headers.emplace_back(Lower(ViewOf(name)), ViewOf(value));
  }
  void on_header_impl(BeastError& error) override {
    CheckHost(error);
    if (!error) CheckFraming(error);
    if (!error) CheckDemands(error);
    if (error) return;
    HttpRequest& request = owner_.request_;
    bool close = false;
    bool keep = request.minor_version >= 1;
    bool expects = false;
    for (const auto& [name, value] : request.headers) {
      if (name == "connection") {
        close = close || HasToken(value, "close");
        keep = keep || HasToken(value, "keep-alive");
      } else if (name == "expect") {
        expects = expects || EqualsIgnoreCase(value, "100-continue");
      }
    }
    request.keep_alive = keep && !close;  // RFC 9112 9.3.
    // RFC 9110 10.1.1: an HTTP/1.0 client gets no interim response.
    owner_.expects_continue_ = expects && request.minor_version >= 1;
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&,
                         BeastError&) override {}
  std::size_t on_body_impl(BeastText body, BeastError&) override {
    owner_.request_.body.append(body.data(), body.size());
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t size, BeastText,
                            BeastError&) override {
    owner_.body_bytes_due_ = size;
  }
  std::size_t on_chunk_body_impl(std::uint64_t, BeastText body,
                                 BeastError&) override {
    owner_.request_.body.append(body.data(), body.size());
    return body.size();
  }
  void on_finish_impl(BeastError&) override { owner_.complete_ = true; }

  void Refuse(int status, std::string why, BeastError& error) {
    owner_.Fail(status, std::move(why));
    error = http::error::bad_value;  // Ends the parsing.
  }
  // RFC 9112 3.2.
  void CheckHost(BeastError& error) {
    size_t count = 0;
    for (const auto& [name, value] : owner_.request_.headers) {
      if (name != "host") continue;
      ++count;
      if (value.find_first_not_of(kHostCharacters) != std::string::npos) {
        return Refuse(400, "the Host header is not a valid host", error);
      }
    }
    if (count > 1) return Refuse(400, "more than one Host header", error);
    if (count == 0 && owner_.request_.minor_version >= 1) {
      Refuse(400, "HTTP/1.1 needs a Host header", error);
    }
  }
  // RFC 9112 6.1 to 6.3. Beast has already refused a Content-Length beside
  // chunks, and a length that is not a number.
  void CheckFraming(BeastError& error) {
    size_t lengths = 0;
    size_t codings = 0;
    for (const auto& [name, value] : owner_.request_.headers) {
      if (name == "content-length") {
        if (++lengths > 1 || !ParseInteger(value, &owner_.body_bytes_due_)) {
          return Refuse(400, "Content-Length is not a single number", error);
        }
      } else if (name == "transfer-encoding") {
        if (++codings > 1 || owner_.request_.minor_version == 0) {
          return Refuse(400, "more than one Transfer-Encoding, or in HTTP/1.0",
                        error);
        }
        if (EqualsIgnoreCase(value, "chunked")) continue;
        return chunked()
                   ? Refuse(501,
                            "transfer codings other than chunked are not "
                            "supported",
                            error)
                   : Refuse(400, "the last transfer coding is not chunked",
                            error);
      }
    }
  }

  // RFC 9110 8.4 and 10.1.1. A body is kept as it was sent. A coded one would
  // become a value that readers take for the plain one.
  void CheckDemands(BeastError& error) {
    for (const auto& [name, value] : owner_.request_.headers) {
      if (name == "content-encoding" && !EqualsIgnoreCase(value, "identity")) {
        return Refuse(415,
                      "Content-Encoding is not supported: send the body as it "
                      "is, without this header",
                      error);
      }
      if (name == "expect" && !EqualsIgnoreCase(value, "100-continue")) {
        return Refuse(417, "the only expectation that is met is 100-continue",
                      error);
      }
    }
  }

  HttpParser& owner_;
};

HttpParser::HttpParser(const Limits& limits) : limits_(limits) {}

HttpParser::~HttpParser() = default;

void HttpParser::Feed(std::string_view bytes) {
  if (input_.empty()) {
    buffer_.clear();
    input_ = bytes;
    return;
  }
  Detach();
  buffer_.erase(0, buffer_.size() - input_.size());
  buffer_.append(bytes);
  input_ = buffer_;
}

void HttpParser::Detach() {
  if (input_.empty()) {
    ClearAndTrim(&buffer_, kKeptBytes);
    return;
  }
  if (!buffer_.empty()) return;
  buffer_.assign(input_);
  input_ = buffer_;
}

void HttpParser::Fail(int status, std::string why) {
  error_status_ = status;
  error_ = std::move(why);
}

void HttpParser::Begin() {
  grammar_ = std::make_unique<Grammar>(*this);
  request_ = HttpRequest();
  section_ = Section::kRequestLine;
  section_bytes_ = 0;
  after_chunk_ = false;
  body_bytes_due_ = 0;
  complete_ = false;
  partial_bytes_ = 0;
}

HttpParser::Result HttpParser::Next() {
  if (error_status_ != 0) return Result::kError;
  if (input_.empty()) return NeedMore();
  if (grammar_ == nullptr) Begin();
  while (!complete_) {
    const bool more = section_ == Section::kBody ? TakeBody() : TakeLines();
    if (error_status_ != 0) return Result::kError;
    if (!more) return NeedMore();
  }
  grammar_ = nullptr;
  ClearAndTrim(&lines_, kKeptBytes);
  expects_continue_ = false;
  partial_bytes_ = 0;
  return Result::kRequest;
}

HttpParser::Result HttpParser::NeedMore() {
  if (!ended_ || partial_bytes() == 0) return Result::kNeedMore;
  Fail(400, "the request is incomplete");
  return Result::kError;
}

bool HttpParser::TakeBody() {
  if (input_.empty()) return false;
  expects_continue_ = false;
  const std::string_view piece =
      input_.substr(0, std::min<uint64_t>(input_.size(), body_bytes_due_));
  BeastError error;
  const size_t taken = grammar_->put({piece.data(), piece.size()}, error);
  CHECK_EQ(taken, piece.size()) << error.message();
  input_.remove_prefix(taken);
  partial_bytes_ += taken;
  body_bytes_due_ -= taken;
  if (body_bytes_due_ == 0) {
    section_ = Section::kChunkSize;
    section_bytes_ = 0;
    after_chunk_ = true;
  }
  return true;
}

bool HttpParser::Admit(char c) {
  if (++section_bytes_ > limits_.header_bytes_max) {
    Fail(431, Concat("request line and headers, or a chunk's size and "
                     "trailers, have more than ",
                     limits_.header_bytes_max, " bytes"));
    return false;
  }
  if (section_ == Section::kChunkSize) expects_continue_ = false;
  const bool line_end = c == '\n';
  if (line_end != carriage_return_) {
    Fail(400, "a line must end with CR and LF");
  } else if (!kPlain[static_cast<uint8_t>(c)] && c != '\r' && !line_end) {
    Fail(400, "a line contains a control character");
  } else if (line_bytes_ == 0 && (c == ' ' || c == '\t') &&
             section_ != Section::kRequestLine) {
    Fail(400, "a line begins with a space");
  } else if (section_ == Section::kChunkSize && after_chunk_ &&
             section_bytes_ == 1 && c != '\r') {
    Fail(400, "a chunk is longer than its size");
  }
  carriage_return_ = c == '\r';
  if (c != '\r' && !line_end) ++line_bytes_;
  return error_status_ == 0;
}

size_t HttpParser::AdmitPlain(std::string_view bytes) {
  if (carriage_return_) return 0;
  const size_t end =
      std::min(bytes.size(), limits_.header_bytes_max - section_bytes_);
  size_t count = 0;
  while (count < end && kPlain[static_cast<uint8_t>(bytes[count])]) ++count;
  section_bytes_ += count;
  line_bytes_ += count;
  return count;
}

bool HttpParser::EndsSection() const {
  switch (section_) {
    case Section::kRequestLine:
      return true;
    case Section::kChunkSize:
      return !after_chunk_ || section_bytes_ > 2;
    case Section::kFields:
    case Section::kTrailers:
    case Section::kBody:
      return line_bytes_ == 0;
  }
  return true;
}

bool HttpParser::TakeLines() {
  for (size_t i = 0; i < input_.size(); ++i) {
    const char c = input_[i];
    if (!Admit(c)) return false;
    if (c != '\n') {
      i += AdmitPlain(input_.substr(i + 1));
      continue;
    }
    const bool ends = EndsSection();
    const bool blank = std::exchange(line_bytes_, 0) == 0;
    if (!ends) continue;
    const std::string_view rest = input_.substr(0, i + 1);
    input_.remove_prefix(i + 1);
    partial_bytes_ += rest.size();
    if (blank && section_ == Section::kRequestLine) {
      // RFC 9112 2.2: an empty line before a request is ignored.
      lines_.clear();
      partial_bytes_ = 0;
      return true;
    }
    if (lines_.empty()) return ParseSection(rest);
    lines_.append(rest);
    return ParseSection(lines_);
  }
  lines_.append(input_);
  partial_bytes_ += input_.size();
  input_ = {};
  return false;
}

bool HttpParser::IsLastChunk(std::string_view section) const {
  if (section_ != Section::kChunkSize) return false;
  const std::string_view line = section.substr(after_chunk_ ? 2 : 0);
  const char next = line[line.find_first_not_of('0')];
  return line.starts_with('0') &&
         (next == ';' || next == '\r' || next == ' ' || next == '\t');
}

bool HttpParser::ParseSection(std::string_view section) {
  BeastError error;
  const size_t taken = grammar_->put({section.data(), section.size()}, error);
  if (error_status_ != 0) return false;
  if (error == http::error::need_more && IsLastChunk(section)) {
    // Beast consumes this line together with the trailers.
    if (lines_.empty()) lines_.assign(section);
    section_ = Section::kTrailers;
    return true;
  }
  if (error == http::error::body_limit) {
    Fail(413,
         Concat("the body has more than ", limits_.body_bytes_max, " bytes"));
    return false;
  }
  const bool more = error == http::error::need_more;
  if (taken != section.size() || more != (section_ == Section::kRequestLine) ||
      (error && !more)) {
    Fail(NamesOtherVersion(section, error) ? 505 : 400, Malformed(error));
    return false;
  }
  lines_.clear();
  if (section_ == Section::kRequestLine) {
    section_ = Section::kFields;
    return true;
  }
  if (complete_) return true;
  const bool chunk_follows =
      section_ == Section::kFields && grammar_->chunked();
  section_ = chunk_follows ? Section::kChunkSize : Section::kBody;
  section_bytes_ = 0;
  return true;
}

bool HttpParser::TakeExpectsContinue() {
  return std::exchange(expects_continue_, false);
}

void HttpParser::Drop() {
  grammar_ = nullptr;
  // An assignment would keep the memory of the strings.
  TakeRequest();
  input_ = {};
  std::string().swap(buffer_);
  std::string().swap(lines_);
  partial_bytes_ = 0;
}

size_t HttpParser::partial_bytes() const {
  return partial_bytes_ + input_.size();
}

size_t HttpParser::held_bytes() const {
  size_t bytes = buffer_.capacity() + lines_.capacity() +
                 request_.method.capacity() + request_.target.capacity() +
                 request_.body.capacity() +
                 request_.headers.capacity() * sizeof(request_.headers[0]);
  for (const auto& [name, value] : request_.headers) {
    bytes += name.capacity() + value.capacity();
  }
  return bytes;
}

}  // namespace quorate::node
