/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/web/metrics_page.h"

#include <assert.h>

static void metrics_page_respond(enum metrics_program program, struct web_answer *answer)
{
    struct failure why = {0};
    enum status status = metrics_render(program, &answer->body, &why);

    answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
    if (status != STATUS_OK) {
        web_answer_error(answer, STATUS_IO, &why);
    }
}

static void metrics_page_of_proxy(void *user, const struct web_request *request,
                                  struct web_answer *answer)
{
    (void)user;
    (void)request;
    metrics_page_respond(METRICS_PROXY, answer);
}

static void metrics_page_of_control(void *user, const struct web_request *request,
                                    struct web_answer *answer)
{
    (void)user;
    (void)request;
    metrics_page_respond(METRICS_CONTROL, answer);
}

struct web_route metrics_page_route(enum metrics_program program)
{
    assert(program == METRICS_PROXY || program == METRICS_CONTROL);
    return (struct web_route){
        .method = "GET",
        .path = "/metrics",
        .respond = program == METRICS_PROXY ? metrics_page_of_proxy : metrics_page_of_control,
    };
}
