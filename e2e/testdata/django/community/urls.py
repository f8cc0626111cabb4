from django.http import HttpResponse
from django.urls import include, path

from . import views

urlpatterns = [
    path("griphub/auth", views.griphub_auth),
    path("accounts/", include("django.contrib.auth.urls")),
    path("", lambda request: HttpResponse(request.user.get_username())),
]
