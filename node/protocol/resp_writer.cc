#include "node/protocol/resp_writer.h"

#include <charconv>

namespace quorate::node {
namespace {

// Without a reservation, the line end behind a longer text would double the
// memory of a reply that consists of the text.
constexpr size_t kReservedFromBytes = 256;

}  // namespace

void RespWriter::Header(char type, uint64_t value) {
  if (LeavesOut({&type, 1})) return;
  char text[24];
  text[0] = type;
  char* end = std::to_chars(text + 1, text + 22, value).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out_->append(text, static_cast<size_t>(end - text));
}

void RespWriter::Simple(std::string_view text) {
  if (LeavesOut("+")) return;
  out_->push_back('+');
  out_->append(text);
  out_->append("\r\n");
}

void RespWriter::Error(std::string_view text) {
  if (LeavesOut("-")) return;
  out_->push_back('-');
  const size_t begin = out_->size();
  out_->append(text);
  for (size_t i = begin; i < out_->size(); ++i) {
    char& c = (*out_)[i];
    if (c == '\r' || c == '\n') c = ' ';
  }
  out_->append("\r\n");
}

void RespWriter::Integer(int64_t value) {
  if (LeavesOut(":")) return;
  if (value >= 0) {
    Header(':', static_cast<uint64_t>(value));
    return;
  }
  char text[24];
  const char* end = std::to_chars(text, text + sizeof(text), value).ptr;
  out_->push_back(':');
  out_->append(text, static_cast<size_t>(end - text));
  out_->append("\r\n");
}

void RespWriter::Bulk(std::string_view bytes) {
  Header('$', bytes.size());
  if (error_alone_) return;
  if (bytes.size() >= kReservedFromBytes) {
    out_->reserve(out_->size() + bytes.size() + 2);
  }
  out_->append(bytes);
  out_->append("\r\n");
}

void RespWriter::Bulk(std::string_view bytes, const Buffer* shared) {
  if (reply_ == nullptr || shared == nullptr ||
      bytes.size() < ReplyText::kSharedFromBytes) {
    return Bulk(bytes);
  }
  Header('$', bytes.size());
  reply_->Share(*shared);
  out_->append("\r\n");
}

void RespWriter::Null() { Raw(version_ >= 3 ? "_\r\n" : "$-1\r\n"); }

void RespWriter::NullArray() { Raw(version_ >= 3 ? "_\r\n" : "*-1\r\n"); }

void RespWriter::Map(size_t pairs) {
  if (version_ >= 3) {
    Header('%', pairs);
  } else {
    Header('*', pairs * 2);
  }
}

void RespWriter::Verbatim(std::string_view text) {
  if (version_ < 3) {
    Bulk(text);
    return;
  }
  Header('=', text.size() + 4);
  if (error_alone_) return;
  out_->append("txt:");
  out_->append(text);
  out_->append("\r\n");
}

}  // namespace quorate::node
