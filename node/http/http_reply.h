// node/http/http_reply.h: the fixed texts of HTTP replies.
//
// http_session.h decides on a reply and uses these texts; they depend on no
// request.
#ifndef QUORATE_NODE_HTTP_HTTP_REPLY_H_
#define QUORATE_NODE_HTTP_HTTP_REPLY_H_

#include <string>
#include <string_view>

#include "kv/command/result.h"

namespace quorate::node {

// For example "Not Found" for 404.
std::string_view HttpReason(int status);

// {"error":{"code":…,"message":…MORE}}. `more` is JSON that begins with a
// comma, or empty.
std::string HttpErrorBody(std::string_view code, std::string_view message,
                          std::string_view more);

// The reply to a result that is an error; null if the result is no error.
struct HttpStatusError {
  kv::ResultStatus result;
  int status;
  std::string_view code;
  std::string_view message;
};
const HttpStatusError* HttpErrorOf(kv::ResultStatus status);

}  // namespace quorate::node

#endif  // QUORATE_NODE_HTTP_HTTP_REPLY_H_
