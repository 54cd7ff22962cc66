#include "node/http_parser.h"

#include <http_parser.h>

#include <algorithm>

#include "node/text.h"

namespace quorate::node {
namespace {

constexpr std::string_view kHeadersTooLong =
    "request line and headers exceed limits.http_header_bytes";

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
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
  // An absolute form names the host first.
  if (target.starts_with("http://")) {
    const size_t slash = target.find('/', 7);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  target = target.substr(0, target.find('#'));
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

struct HttpParser::State {
  http_parser parser;
  HttpParser* owner = nullptr;
  size_t header_bytes = 0;
  bool in_value = false;
  bool complete = false;
  bool expects_continue = false;
};

// What libhttp-parser calls; a nonzero return stops it.
struct HttpParser::Callbacks {
  static HttpParser& Of(http_parser* parser) {
    return *static_cast<State*>(parser->data)->owner;
  }
  static int Fail(HttpParser& self, int status, std::string_view why) {
    self.error_status_ = status;
    self.error_ = why;
    return 1;
  }
  static int CountHeader(HttpParser& self, size_t size) {
    self.state_->header_bytes += size;
    if (self.state_->header_bytes <= self.limits_.header_bytes_max) return 0;
    return Fail(self, 431, kHeadersTooLong);
  }
  static int OnBegin(http_parser* parser) {
    HttpParser& self = Of(parser);
    self.request_ = HttpRequest();
    self.state_->header_bytes = 0;
    self.state_->in_value = false;
    self.state_->expects_continue = false;
    return 0;
  }
  static int OnUrl(http_parser* parser, const char* at, size_t size) {
    HttpParser& self = Of(parser);
    self.request_.target.append(at, size);
    return CountHeader(self, size);
  }
  static int OnField(http_parser* parser, const char* at, size_t size) {
    HttpParser& self = Of(parser);
    auto& headers = self.request_.headers;
    if (headers.empty() || self.state_->in_value) {
      headers.emplace_back();
      self.state_->in_value = false;
    }
    headers.back().first += Lower(std::string_view(at, size));
    return CountHeader(self, size + 4);
  }
  static int OnValue(http_parser* parser, const char* at, size_t size) {
    HttpParser& self = Of(parser);
    self.state_->in_value = true;
    self.request_.headers.back().second.append(at, size);
    return CountHeader(self, size);
  }
  static int OnHeaders(http_parser* parser) {
    HttpParser& self = Of(parser);
    self.request_.method =
        http_method_str(static_cast<http_method>(parser->method));
    if (parser->http_major != 1) {
      return Fail(self, 400, "only HTTP/1.0 and HTTP/1.1 are spoken");
    }
    if (parser->upgrade != 0) {
      return Fail(self, 501, "upgrades are not supported");
    }
    if (parser->content_length != ~uint64_t{0} &&
        parser->content_length > self.limits_.body_bytes_max) {
      return Fail(self, 413, "the body exceeds limits.value_bytes");
    }
    const auto& headers = self.request_.headers;
    const auto hosts =
        std::count_if(headers.begin(), headers.end(),
                      [](const auto& row) { return row.first == "host"; });
    if (hosts > 1) return Fail(self, 400, "more than one Host header");
    const std::string* expect = self.request_.Header("expect");
    self.state_->expects_continue =
        expect != nullptr && EqualsIgnoreCase(*expect, "100-continue");
    return 0;
  }
  static int OnBody(http_parser* parser, const char* at, size_t size) {
    HttpParser& self = Of(parser);
    if (self.request_.body.size() + size > self.limits_.body_bytes_max) {
      return Fail(self, 413, "the body exceeds limits.value_bytes");
    }
    self.request_.body.append(at, size);
    self.state_->expects_continue = false;
    return 0;
  }
  static int OnComplete(http_parser* parser) {
    HttpParser& self = Of(parser);
    self.request_.keep_alive = http_should_keep_alive(parser) != 0;
    self.state_->complete = true;
    http_parser_pause(parser, 1);
    return 0;
  }
};

HttpParser::HttpParser(const Limits& limits)
    : state_(std::make_unique<State>()), limits_(limits) {
  http_parser_init(&state_->parser, HTTP_REQUEST);
  state_->owner = this;
  state_->parser.data = state_.get();
}

HttpParser::~HttpParser() = default;

void HttpParser::Feed(std::string_view bytes) {
  if (input_.empty()) {
    input_ = bytes;
    return;
  }
  Detach();
  buffer_.append(bytes);
  input_ = buffer_;
}

void HttpParser::Detach() {
  std::string rest(input_);
  buffer_ = std::move(rest);
  input_ = buffer_;
}

HttpParser::Result HttpParser::Next() {
  static constexpr http_parser_settings kSettings = [] {
    http_parser_settings settings = {};
    settings.on_message_begin = Callbacks::OnBegin;
    settings.on_url = Callbacks::OnUrl;
    settings.on_header_field = Callbacks::OnField;
    settings.on_header_value = Callbacks::OnValue;
    settings.on_headers_complete = Callbacks::OnHeaders;
    settings.on_body = Callbacks::OnBody;
    settings.on_message_complete = Callbacks::OnComplete;
    return settings;
  }();
  if (error_status_ != 0) return Result::kError;
  if (input_.empty()) return Result::kNeedMore;
  state_->complete = false;
  http_parser& parser = state_->parser;
  const size_t parsed =
      http_parser_execute(&parser, &kSettings, input_.data(), input_.size());
  const http_errno status = HTTP_PARSER_ERRNO(&parser);
  if (error_status_ != 0) return Result::kError;
  if (status == HPE_PAUSED && state_->complete) {
    http_parser_pause(&parser, 0);
    // Paused inside the callback for the last byte, which then was not counted when there was no body.
    input_.remove_prefix(std::min(input_.size(), parsed));
    partial_bytes_ = 0;
    return Result::kRequest;
  }
  if (status != HPE_OK) {
    const bool overflow = status == HPE_HEADER_OVERFLOW;
    error_status_ = overflow ? 431 : 400;
    error_ = overflow ? kHeadersTooLong : http_errno_description(status);
    return Result::kError;
  }
  partial_bytes_ += parsed;
  input_.remove_prefix(parsed);
  return Result::kNeedMore;
}

bool HttpParser::TakeExpectsContinue() {
  return std::exchange(state_->expects_continue, false);
}

size_t HttpParser::partial_bytes() const {
  return partial_bytes_ + input_.size();
}

}  // namespace quorate::node
