/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An intrusive doubly linked list: the link is a member of the thing. The list owns nothing.
 * One thread at a time. A zeroed link is in no list.
 */
#ifndef SIGNET_CORE_RUNTIME_BASE_LIST_H
#define SIGNET_CORE_RUNTIME_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_link {
    struct list_link *next;
    struct list_link *prev;
};

struct list {
    struct list_link head;
};

/* list_init makes an empty list; it must not move while it holds links. */
static inline void list_init(struct list *list)
{
    list->head.next = &list->head;
    list->head.prev = &list->head;
}

/* list_is_empty tells whether there is no link in it. */
static inline bool list_is_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

/* list_has tells whether `link` is in some list. */
static inline bool list_has(const struct list_link *link)
{
    return link->next != NULL;
}

/* list_add puts `link`, which is in no list, at the end. */
static inline void list_add(struct list *list, struct list_link *link)
{
    link->next = &list->head;
    link->prev = list->head.prev;
    list->head.prev->next = link;
    list->head.prev = link;
}

/* list_remove takes `link` out of its list; nothing happens when it is in none. */
static inline void list_remove(struct list_link *link)
{
    if (link->next != NULL) {
        link->next->prev = link->prev;
        link->prev->next = link->next;
        link->next = NULL;
        link->prev = NULL;
    }
}

/* LIST_OF is the struct of `type` whose member `member` is the link at `pointer`. */
#define LIST_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* LIST_EACH visits every link; the one visited may be removed in the loop's body. */
#define LIST_EACH(list, link)                                                                      \
    for (struct list_link *link = (list)->head.next, *link##_next_ = link->next;                   \
         link != &(list)->head; link = link##_next_, link##_next_ = link->next)

#endif
