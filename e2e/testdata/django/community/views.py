from django.http import HttpResponse
from django.views.decorators.http import require_GET


@require_GET
def griphub_auth(request):
    user = request.user
    if not user.is_authenticated:
        return HttpResponse(status=401)
    response = HttpResponse()
    response["X-User-Id"] = str(user.pk)
    response["X-Channels"] = ", ".join(f"room-{group.pk}" for group in user.groups.all())
    return response
