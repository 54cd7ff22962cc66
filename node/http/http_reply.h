// node/http/http_reply.h: the fixed texts of HTTP replies.
//
// Sits between http_session.h, which decides, and the bytes; knows no request.
#ifndef QUORATE_NODE_HTTP_HTTP_REPLY_H_
#define QUORATE_NODE_HTTP_HTTP_REPLY_H_

#include <string>
#include <string_view>

#include "kv/command/result.h"

namespace quorate::node {

// "Not Found" for 404.
std::string_view HttpReason(int status);

// {"error":{"code":…,"message":…MORE}}; `more` is JSON that begins with a comma, or nothing.
std::string HttpErrorBody(std::string_view code, std::string_view message,
                          std::string_view more);

// How a result that is an error is answered; null for one that is none.
struct HttpStatusError {
  kv::ResultStatus result;
  int status;
  std::string_view code;
  std::string_view message;
};
const HttpStatusError* HttpErrorOf(kv::ResultStatus status);

}  // namespace quorate::node

#endif  // QUORATE_NODE_HTTP_HTTP_REPLY_H_
